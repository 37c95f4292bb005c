import type { Json } from "../json.ts";
import type { Finding } from "./diagnose.ts";
import type { CheckFacts } from "./parts.ts";
import type { ConfigPath } from "./problem.ts";
import { entriesOf, member, textOf } from "./view.ts";

/** Policies beside a group's own: exactly one in each place, and a rollout of a policy only. */
export function* checkSides(root: Json, { strategies }: CheckFacts): Iterable<Finding> {
  for (const [name, group] of entriesOf(member(root, "models"))) {
    const path: ConfigPath = ["models", name];
    yield* checkSide(member(group, "shadow"), [...path, "shadow"]);
    yield* checkSide(member(group, "rollout", "base"), [...path, "rollout", "base"]);
    const strategy = textOf(member(group, "strategy")) ?? "weighted";
    if (member(group, "rollout") === undefined || !strategies.has(strategy)) continue;
    if (strategies.get(strategy).policy) continue;
    const message = `there is no policy to roll out: strategy "${strategy}" asks none`;
    yield { code: "conflict", path: [...path, "rollout"], at: "key", message };
  }
}

function* checkSide(side: Json | undefined, path: ConfigPath): Iterable<Finding> {
  if (side === undefined) return;
  const given = ["script", "external"].filter((key) => member(side, key) !== undefined);
  if (given.length === 1) return;
  const message = 'expected exactly one of "script" and "external"';
  yield { code: given.length === 0 ? "missing-key" : "conflict", path, at: "value", message };
}
