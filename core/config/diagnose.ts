import type { z } from "zod";
import { isObject, type Json } from "../json.ts";
import { notYet } from "./kinds.ts";
import type { ConfigPath, ProblemCode } from "./problem.ts";
import { slipOfKey, slipOfValue } from "./slips.ts";
import { suggest } from "./suggest.ts";
import { valueAt } from "./tree.ts";

/** A problem before it has a place in a file. */
export interface Finding {
  readonly code: ProblemCode;
  readonly path: ConfigPath;
  /** Whether it stands at the key or at the value of the path. */
  readonly at: "key" | "value";
  readonly message: string;
  readonly suggestion?: string | null;
}

/** A value that contradicts another one. */
export function conflict(path: ConfigPath, message: string): Finding {
  return { code: "conflict", path, at: "value", message };
}

type Issue = z.core.$ZodIssue;
type Schema = z.core.$ZodTypes;

/**
 * Says in our words what a schema found. `written` is the configuration before expansion: messages
 * quote from it, and never a secret.
 */
export function diagnose(
  schema: z.ZodType,
  issues: readonly Issue[],
  written: Json,
): readonly Finding[] {
  return issues.flatMap((issue) => {
    const path = issue.path as ConfigPath;
    if (issue.code === "unrecognized_keys") {
      const known = schemaAt(schema, path);
      return issue.keys.map((key) => unknownKey(known, [...path, key]));
    }
    if (issue.code === "invalid_key") {
      const message = issue.issues[0]?.message ?? "not a valid name";
      return [{ code: "bad-format", path, at: "key", message }];
    }
    const value = valueAt(written, path);
    return [value === undefined ? missingKey(issue) : badValue(issue, value)];
  });
}

function unknownKey(known: Schema | null, path: ConfigPath): Finding {
  const key = String(path.at(-1));
  if (known && notYet.get(known)?.keys.includes(key)) {
    return { code: "unusable", path, at: "key", message: "not available yet" };
  }
  const slip = slipOfKey(path);
  if (slip) return { code: "unknown-key", path, at: "key", message: slip };
  const names = known?._zod.def.type === "object" ? Object.keys(known._zod.def.shape) : [];
  const suggestion = suggest(key, names);
  return { code: "unknown-key", path, at: "key", message: "unknown key", suggestion };
}

function missingKey(issue: Issue): Finding {
  const path = issue.path as ConfigPath;
  const message = `missing key "${String(path.at(-1))}"; ${issue.message}`;
  return { code: "missing-key", path: path.slice(0, -1), at: "key", message };
}

function badValue(issue: Issue, value: Json): Finding {
  const path = issue.path as ConfigPath;
  if (issue.code === "invalid_value" && typeof value === "string") {
    const slip = slipOfValue(path, value);
    if (slip) return { code: "not-one-of", path, at: "value", message: slip };
    const suggestion = suggest(value, issue.values.map(String));
    return { code: "not-one-of", path, at: "value", message: told(issue, value), suggestion };
  }
  return { code: codeOf(issue, value), path, at: "value", message: told(issue, value) };
}

function told(issue: Issue, value: Json): string {
  return isSecret(issue.path as ConfigPath)
    ? issue.message
    : `${issue.message}, found ${found(value)}`;
}

function codeOf(issue: Issue, value: Json): ProblemCode {
  switch (issue.code) {
    case "too_small":
    case "too_big":
      return "out-of-range";
    case "invalid_format":
      return "bad-format";
    case "invalid_value":
      return "not-one-of";
    case "custom":
      return (issue.params?.["code"] as ProblemCode | undefined) ?? "bad-format";
    case "invalid_union":
      return typeof value === "string" ? "bad-format" : "wrong-type";
    default:
      return "wrong-type";
  }
}

/** A value as a message may show it. */
function found(value: Json): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (isObject(value)) return "a map";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
}

const SECRET_KEYS: ReadonlySet<unknown> = new Set([
  "api_key",
  "dsn",
  "token_sha256",
  "salt",
  "conversation_salt",
]);

const HEADER_OWNERS: ReadonlySet<unknown> = new Set(["models", "providers"]);

/** Whether the value at a path must never be shown. */
export function isSecret(path: ConfigPath): boolean {
  return path.some((step) => SECRET_KEYS.has(step)) ||
    path.length > 3 && HEADER_OWNERS.has(path[0]) && path.indexOf("headers", 2) === path.length - 2;
}

/** The schema of the value at a path, without its wrappers; `null` when there is none. */
function schemaAt(schema: z.core.$ZodType, path: ConfigPath): Schema | null {
  const [step, ...rest] = path;
  const bare = unwrap(schema);
  if (step === undefined) return bare;
  const { def } = bare._zod;
  const next = def.type === "object"
    ? def.shape[step]
    : def.type === "record"
    ? def.valueType
    : def.type === "array"
    ? def.element
    : undefined;
  return next ? schemaAt(next, rest) : null;
}

/** A schema without defaults, optionality and transforms. */
export function unwrap(schema: z.core.$ZodType): Schema {
  const known = schema as Schema;
  const { def } = known._zod;
  switch (def.type) {
    case "default":
    case "prefault":
    case "optional":
    case "nullable":
      return unwrap(def.innerType);
    default:
      return known;
  }
}
