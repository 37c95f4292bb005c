import { z } from "zod";
import { isObject, type Json, type JsonObject } from "../json.ts";
import { checkHeaders } from "./check_headers.ts";
import { checkExternalPolicy } from "./check_policies.ts";
import { checkModelName } from "./check_providers.ts";
import type { Finding } from "./diagnose.ts";
import type { CheckFacts } from "./parts.ts";
import type { ConfigPath } from "./problem.ts";
import { suggest } from "./suggest.ts";
import { entriesOf, itemsOf, member, textOf } from "./view.ts";

/** Groups with a target to use, and targets that name what is there. */
export function* checkGroups(root: Json, facts: CheckFacts): Iterable<Finding> {
  for (const [name, group] of entriesOf(member(root, "models"))) {
    const path = ["models", name];
    const targets = member(group, "targets");
    if (Array.isArray(targets) && targets.every((target) => isDisabled(target))) {
      const message = "a group needs at least one enabled target";
      yield { code: "conflict", path: [...path, "targets"], at: "value", message };
    }
    yield* checkOptions(group, path, facts);
    const external = member(group, "external_policy");
    yield* checkExternalPolicy(external, [...path, "external_policy"]);
    if (member(external, "mode") === "shadow" && member(group, "shadow") !== undefined) {
      const message = 'the group\'s own policy is its shadow: "external_policy.mode" says so';
      yield { code: "conflict", path: [...path, "shadow"], at: "key", message };
    }
    const scriptHeaders = member(member(group, "script_http"), "headers");
    yield* checkHeaders(scriptHeaders, [...path, "script_http", "headers"]);
    for (const [index, target] of itemsOf(targets)) {
      yield* checkTarget(root, target, [...path, "targets", index], facts);
    }
  }
}

/** A group has the keys that its strategies read: all that they need, and no others' keys. */
function* checkOptions(
  group: Json,
  path: ConfigPath,
  { strategies }: CheckFacts,
): Iterable<Finding> {
  const name = textOf(member(group, "strategy")) ?? "weighted";
  const base = textOf(member(group, "base_strategy")) ?? "weighted";
  if (!strategies.has(name) || !strategies.has(base)) return;
  const strategy = strategies.get(name);
  const read = {
    ...strategy.options.shape,
    ...(strategy.policy && strategies.get(base).options.shape),
  };
  for (const [key, schema] of Object.entries(strategy.options.shape)) {
    if (member(group, key) !== undefined || z.safeParse(schema, undefined).success) continue;
    const message = `missing key "${key}"; strategy "${name}" needs it`;
    yield { code: "missing-key", path, at: "key", message };
  }
  for (const [key] of entriesOf(group)) {
    const owner = strategies.items.find(({ options }) => key in options.shape);
    if (!owner || key in read) continue;
    const message = `strategy "${name}" does not read it; "${owner.name}" does`;
    yield { code: "conflict", path: [...path, key], at: "key", message };
  }
}

function isDisabled(target: Json): boolean {
  return member(target, "enabled") === false;
}

function* checkTarget(
  root: Json,
  target: JsonObject,
  path: ConfigPath,
  facts: CheckFacts,
): Iterable<Finding> {
  if ("model_ref" in target && "model" in target) {
    const message = '"model_ref" is given, too; a target has exactly one of them';
    yield { code: "conflict", path: [...path, "model"], at: "key", message };
  }
  if (!("model_ref" in target) && !("model" in target)) {
    const message = 'missing key "model_ref"; expected "model_ref" or "model"';
    yield { code: "missing-key", path, at: "key", message };
  }
  const name = textOf(target["provider"]);
  if (name === null) return;
  const providers = member(root, "providers");
  const provider = member(providers, name);
  if (provider === undefined) {
    const names = entriesOf(providers).map(([name]) => name);
    const message = `no provider is named "${name}"`;
    const suggestion = suggest(name, names);
    yield {
      code: "unknown-reference",
      path: [...path, "provider"],
      at: "value",
      message,
      suggestion,
    };
    return;
  }
  yield* checkModelRef(provider, textOf(target["model_ref"]), path);
  yield* checkModelName(provider, textOf(target["model"]), path, facts);
}

function* checkModelRef(
  provider: Json,
  ref: string | null,
  path: ConfigPath,
): Iterable<Finding> {
  const models = member(provider, "models");
  if (ref === null || (isObject(models) && Object.hasOwn(models, ref))) return;
  yield {
    code: "unknown-reference",
    path: [...path, "model_ref"],
    at: "value",
    message: `the provider has no model "${ref}"`,
    suggestion: suggest(ref, entriesOf(models).map(([name]) => name)),
  };
}
