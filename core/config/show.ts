import { isObject, type Json, type JsonObject } from "../json.ts";
import type { Snapshot } from "../snapshot.ts";
import { isSecret } from "./diagnose.ts";
import type { ConfigPath } from "./problem.ts";
import type { Config } from "./schema.ts";
import { suggest } from "./suggest.ts";
import { valueAt } from "./tree.ts";

const NANO = 1e9;

/**
 * The configuration in force, as plain JSON: defaults filled in, amounts in USD, times in RFC 3339,
 * secrets as `***`.
 */
export function effectiveConfig(
  { config, snapshot }: { readonly config: Config; readonly snapshot: Snapshot },
): JsonObject {
  const shown = plain(config, []) as JsonObject;
  return {
    ...shown,
    providers: mapValues(shown["providers"], (provider, name) => ({
      auth_scheme: authScheme(snapshot, name),
      ...provider,
    })),
    models: mapValues(shown["models"], (group, name) => withGroupDefaults(group, name, snapshot)),
  };
}

/** Fills in what a group takes from the server, and the ids of its targets. */
function withGroupDefaults(group: JsonObject, name: string, snapshot: Snapshot): JsonObject {
  const compiled = snapshot.groups.get(name)!;
  const ids = new Map(compiled.targets.map(({ groupIndex, id }) => [groupIndex, id]));
  const targets = group["targets"] as readonly JsonObject[];
  return {
    ...group,
    attempt_timeout_ms: compiled.attemptTimeoutMs,
    stream_idle_timeout_ms: compiled.streamIdleTimeoutMs,
    unknown_limits: compiled.unknownLimits,
    retry: {
      ...group["retry"] as JsonObject,
      total_deadline_ms: compiled.retry.totalDeadlineMs,
    },
    targets: targets.map((target, index) => ({ id: ids.get(index), ...target })),
  };
}

/** How a provider that is in use takes its key. */
function authScheme(snapshot: Snapshot, name: string): string | undefined {
  for (const { targets } of snapshot.groups.values()) {
    const provider = targets.find(({ provider }) => provider.name === name)?.provider;
    if (!provider?.credential) continue;
    return provider.credential[0] === "x-api-key" ? "x-api-key" : "bearer";
  }
  return undefined;
}

function mapValues(
  map: Json | undefined,
  change: (value: JsonObject, key: string) => JsonObject,
): JsonObject {
  const entries = isObject(map) ? Object.entries(map) : [];
  return Object.fromEntries(entries.map(([key, value]) => [key, change(value as JsonObject, key)]));
}

function plain(value: unknown, path: ConfigPath): Json | undefined {
  if (typeof value === "bigint") return Number(value) / NANO;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item, index) => plain(item, [...path, index])!);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([_, item]) => item !== undefined)
        .map(([key, item]) => [key, plain(item, [...path, key])]),
    );
  }
  return isSecret(path) ? "***" : value as Json;
}

/** The part of a shown configuration at a written path, such as `models.fast.targets[0]`. */
export function partAt(config: JsonObject, path: string): Json | undefined {
  const steps = readPath(path);
  return steps === null ? undefined : valueAt(config, steps);
}

/** Why there is nothing at a written path: the step that leads nowhere, and where one could go instead. */
export function missingAt(config: JsonObject, path: string): string {
  const steps = readPath(path);
  if (steps === null) return "expected a path such as models.fast.targets[0]";
  const end = steps.findIndex((_, index) =>
    valueAt(config, steps.slice(0, index + 1)) === undefined
  );
  const parent = valueAt(config, steps.slice(0, end));
  const known = isObject(parent) ? Object.keys(parent) : [];
  const meant = suggest(String(steps[end]), known);
  if (meant !== null) return `there is no "${steps[end]}"; did you mean "${meant}"?`;
  if (Array.isArray(parent)) return `there is no [${steps[end]}]; the list has ${parent.length}`;
  const others = known.length === 0 ? "" : `; there are ${known.join(", ")}`;
  return `there is no "${steps[end]}"${others}`;
}

/** Reads what `pathText` writes; `null` when it is no path. */
function readPath(text: string): ConfigPath | null {
  const step = /\.?(?:\[(\d+)\]|"((?:[^"\\]|\\.)*)"|([^.[\]"]+))/y;
  const path: (string | number)[] = [];
  while (step.lastIndex < text.length) {
    const match = step.exec(text);
    if (!match) return null;
    const [, index, quoted, name] = match;
    path.push(index !== undefined ? Number(index) : name ?? JSON.parse(`"${quoted}"`) as string);
  }
  return path;
}
