/**
 * Tokens of one reply in six classes, as its provider reported them and read into one meaning:
 * `input` includes cached, cache-written and image input; `output` includes reasoning.
 * `null` is "not reported"; 0 is a measured zero.
 */
export interface UsageReport {
  readonly input: number | null;
  readonly output: number | null;
  readonly cachedInput: number | null;
  readonly cacheWrite: number | null;
  readonly image: number | null;
  readonly reasoning: number | null;
}

/** Where the numbers of a call come from; `estimated` when any class was estimated. */
export type UsageSource = "upstream" | "estimated" | "none";

/** The settled tokens of a call: what is charged and stored. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number;
  readonly cacheWrite: number;
  readonly image: number | null;
  readonly reasoning: number | null;
  readonly source: UsageSource;
}

/** What a provider says it bills for a reply, nano-USD; never mixed with what Pointsman calculates. */
export interface UpstreamBill {
  readonly input: number | null;
  readonly output: number | null;
  readonly total: number | null;
}

/** A usage report in which nothing was reported. */
export const NO_USAGE: UsageReport = Object.freeze({
  input: null,
  output: null,
  cachedInput: null,
  cacheWrite: null,
  image: null,
  reasoning: null,
});

/** Most tokens of a class that are believed, and that a column holds. */
const MAX_TOKENS = 2 ** 31 - 1;

/**
 * Reads a token count from the wire: a whole number from 0 to 2,147,483,647, else `null`. What no reply
 * can have counts as not reported: charged as it is said, it would use up every quota for ever, and the
 * cost of two such calls is more than a database adds up.
 */
export function tokenCount(value: unknown): number | null {
  if (typeof value !== "number" || !Number.isInteger(value)) return null;
  return value >= 0 && value <= MAX_TOKENS ? value : null;
}
