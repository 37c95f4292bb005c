import { z } from "zod";
import { isBlock } from "../address.ts";
import { DIALECT_NAMES } from "../dialect_name.ts";
import { parseDsn } from "../dsn.ts";
import { isDay } from "../period.ts";
import { parseDuration } from "./duration.ts";
import { parseListen } from "./listen.ts";
import { alternatives, type ProblemCode } from "./problem.ts";

/** How the reference writes the type of a value: `ms`, `bytes`, `[dialect]`. */
export const notation = z.registry<{ readonly type: string }>();

/** Keys that are part of the format and refused for now. */
export const notYet = z.registry<{ readonly keys: readonly string[] }>();

const SIZES: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** A whole number within a range. */
export function whole(min = 0, max?: number): z.ZodInt {
  const range = max === undefined ? `>= ${min}` : `from ${min} to ${max}`;
  const error = `expected a whole number ${range}`;
  const schema = z.int({ error }).min(min, { error });
  return (max === undefined ? schema : schema.max(max, { error })).register(notation, {
    type: max === undefined ? min === 0 ? "int" : `int >= ${min}` : `int ${min}..${max}`,
  });
}

/** A number within a range; `type` is its name in the reference. */
export function numeric(type: string, min: number, max?: number): z.ZodNumber {
  const range = max === undefined ? `>= ${min}` : `from ${min} to ${max}`;
  const error = `expected a number ${range}`;
  const schema = z.number({ error }).min(min, { error });
  return (max === undefined ? schema : schema.max(max, { error })).register(notation, { type });
}

/** Whole milliseconds. */
export function ms(): z.ZodInt {
  return whole().register(notation, { type: "ms" });
}

/** Whole milliseconds, or the 95th percentile of what was measured. */
export function msOrP95() {
  const error = 'expected a whole number >= 0 or "p95"';
  return z.union([z.int({ error }).min(0, { error }), z.literal("p95", { error })], { error })
    .register(notation, { type: "ms\\|p95" });
}

/** A duration such as `15m`, read as milliseconds. */
export function dur() {
  const error = 'expected a duration such as "90s" or "15m"';
  return z.string({ error }).transform((text, context) =>
    parseDuration(text) ?? fail(context, error)
  ).register(notation, { type: "dur" });
}

/** `true` or `false`. */
export function flag(): z.ZodBoolean {
  return z.boolean({ error: "expected true or false" }).register(notation, { type: "bool" });
}

/** Any text. */
export function text(): z.ZodString {
  return z.string({ error: "expected a string" }).register(notation, { type: "string" });
}

/** A text of at least one character. */
export function filled(type = "string"): z.ZodString {
  const error = "expected a string that is not empty";
  return z.string({ error }).min(1, { error }).register(notation, { type });
}

/** A text of a certain form; `expected` completes "expected ...". */
export function pattern(type: string, regex: RegExp, expected: string): z.ZodString {
  const error = `expected ${expected}`;
  return z.string({ error }).regex(regex, { error }).register(notation, { type });
}

/** One of a few words. */
export function choice<const Words extends readonly [string, ...string[]]>(
  words: Words,
): z.ZodEnum<{ [Word in Words[number]]: Word }> {
  return z.enum(words, { error: `expected ${alternatives(words)}` })
    .register(notation, { type: words.join("\\|") });
}

/** A wire format. */
export function dialect(): z.ZodEnum<{ [Word in typeof DIALECT_NAMES[number]]: Word }> {
  return choice(DIALECT_NAMES).register(notation, { type: "dialect" });
}

/** A list. */
export function list<Item extends z.ZodType>(item: Item): z.ZodArray<Item> {
  return z.array(item, { error: "expected a list" });
}

/** A map with free keys. */
export function map<Value extends z.ZodType>(
  key: z.ZodString,
  value: Value,
): z.ZodRecord<z.ZodString, Value> {
  return z.record(key, value, { error: "expected a map" });
}

/** HTTP headers by name. */
export function headers() {
  return map(
    pattern("string", /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, "a header name"),
    pattern("string", /^[\t\x20-\x7e\x80-\xff]*$/, "a header value"),
  );
}

/** A map with these keys only; `later` are keys of the format that are refused for now. */
export function block<Shape extends z.ZodRawShape>(
  shape: Shape,
  later: readonly string[] = [],
): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, { error: "expected a map" }).register(notYet, { keys: later });
}

/** Bytes: a whole number, or one with KiB, MiB or GiB; read as a number of bytes. */
export function bytes() {
  const error = 'expected bytes as a whole number or as "64KiB" or "32MiB"';
  return z.union(
    [z.int({ error }).min(0, { error }), z.string({ error }).regex(/^\d{1,9}[KMG]iB$/, { error })],
    { error },
  ).transform((size) =>
    typeof size === "number" ? size : Number(size.slice(0, -3)) * SIZES[size.slice(-3)]!
  ).register(notation, { type: "bytes" });
}

/** USD with at most 9 decimal places, read as integer nano-USD. */
export function usd() {
  const error = "expected an amount in USD >= 0";
  return z.number({ error }).min(0, { error }).transform((amount, context) => {
    const nano = nanoUsd(amount);
    if (nano !== null) return nano;
    return fail(context, "expected at most 9 decimal places");
  }).register(notation, { type: "usd" });
}

/** A calendar day, `YYYY-MM-DD`. */
export function date() {
  const error = "expected a date as YYYY-MM-DD";
  return z.string({ error }).regex(/^\d{4}-\d\d-\d\d$/, { error }).refine(
    isDay,
    { error, params: { code: "bad-format" } },
  ).register(notation, { type: "date" });
}

/** A moment, RFC 3339 with a zone; read as a `Date`. */
export function time() {
  const error = 'expected a time with zone, such as "2026-11-20T08:00:00Z"';
  return z.string({ error }).regex(TIME, { error }).transform((moment, context) => {
    const date = new Date(moment);
    const isTime = isDay(moment.slice(0, 10)) && !Number.isNaN(date.getTime());
    return isTime ? date : fail(context, error);
  }).register(notation, { type: "time" });
}

/** A block of addresses. */
export function cidr() {
  const error = 'expected a block of addresses, such as "10.0.0.0/8"';
  return z.string({ error }).refine(isBlock, {
    error,
    params: { code: "bad-format" },
  }).register(notation, { type: "cidr" });
}

/** URL of a Postgres database. */
export function dsn() {
  const error = 'expected a URL such as "postgres://user:password@host:5432/database"';
  return z.string({ error }).refine((url) => parseDsn(url) !== null, {
    error,
    params: { code: "bad-format" },
  }).register(notation, { type: "string" });
}

/** Address to listen on. */
export function listen() {
  const error = 'expected "host:port", "[v6]:port" or ":port"';
  return z.string({ error }).refine((address) => parseListen(address) !== null, {
    error,
    params: { code: "bad-format" },
  }).register(notation, { type: "string" });
}

/** Name of a provider, a catalog model or a group. */
export function name(): z.ZodString {
  return pattern(
    "string",
    /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/,
    "a name of up to 128 letters, digits and . _ : / - that starts with a letter or digit",
  );
}

/** Id of a user, a project or a caller; read trimmed and in lower case. */
export function id() {
  const error =
    "expected an id of up to 128 letters, digits and . _ @ + - that starts with a letter or digit";
  return z.string({ error }).trim().regex(/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/, { error })
    .toLowerCase().register(notation, { type: "string" });
}

/** Reports that a transform could not read what it was given. */
function fail(context: z.core.$RefinementCtx, message: string): never {
  const code: ProblemCode = "bad-format";
  context.addIssue({ code: "custom", message, params: { code } });
  return z.NEVER;
}

/** Exact nano-USD of a decimal, or `null` when it has more than 9 decimal places. */
function nanoUsd(amount: number): bigint | null {
  const [, units = "", decimals = "", exponent = "0"] =
    /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(amount)) ?? [];
  const shift = 9 - decimals.length + Number(exponent);
  return shift < 0 ? null : BigInt(units + decimals) * 10n ** BigInt(shift);
}
