import type { DatabaseSync } from "node:sqlite";

const MOST = 2n ** 63n - 1n;
/** More digits than any sum has that fits into a database. */
const DIGITS = 40;

/** Whether integers came to more than 64 bits hold, whichever engine says so. */
export function isOverflow(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.message === "integer overflow" || ("code" in error && error.code === "22003");
}

/**
 * Gives SQLite a sum without bounds, where its own ends a statement whose integers come to more than 64
 * bits hold. Such a sum is a text: its digits, behind zeros, so that it ranks above smaller ones. It takes
 * twice as long, so it is for statements that need it.
 *
 * @example Usage
 * ```ts
 * import { DatabaseSync } from "node:sqlite";
 * import { addExactSum, withExactSums } from "@/storage/exact_sum.ts";
 *
 * using db = new DatabaseSync(":memory:");
 * addExactSum(db);
 * const rows = `SELECT 9223372036854775807 AS n UNION ALL SELECT 2`;
 * const [row] = db.prepare(withExactSums(`SELECT sum(n) AS whole FROM (${rows})`)).all();
 * if (BigInt(String(row?.whole)) !== 9223372036854775809n) throw new Error("Cannot add up");
 * ```
 */
export function addExactSum(db: DatabaseSync): void {
  db.aggregate("exact_sum", {
    start: null,
    useBigIntArguments: true,
    step: (sum: bigint | null, value) => value === null ? sum : (sum ?? 0n) + integerOf(value),
    // Only a window with a moving start takes values back; without it, none could be made at all.
    inverse: (sum: bigint | null, value) => value === null ? sum : (sum ?? 0n) - integerOf(value),
    result: (sum: bigint | null) =>
      sum === null || (sum <= MOST && sum >= -MOST) ? sum : digitsOf(sum),
  });
}

function digitsOf(sum: bigint): string {
  return sum < 0n ? String(sum) : String(sum).padStart(DIGITS, "0");
}

/** A statement with that sum in the place of SQLite's own. */
export function withExactSums(sql: string): string {
  return sql.replace(/\bsum\(/gi, "exact_sum(");
}

/** What a row itself brought to more than 64 bits hold is a float, of which 16 digits are left. */
function integerOf(value: unknown): bigint {
  return typeof value === "number" ? BigInt(Math.round(value)) : BigInt(String(value));
}
