import type { Queries } from "../database.ts";
import { query, rows } from "../queries.ts";
import { grouped } from "./grouped.ts";
import { calls, unpriced } from "./measures.ts";
import type { ReportFilter, ReportHead } from "./report.ts";

const counts = grouped({ id: "head", title: "", by: [], measures: [calls, unpriced] });

/** What stands above the sections. */
export async function reportHead(db: Queries, filter: ReportFilter): Promise<ReportHead> {
  const [row] = await counts.query(db, { ...filter, sort: null });
  return {
    filter,
    calls: BigInt(row?.calls ?? 0),
    unpriced: BigInt(row?.unpriced ?? 0),
    completeTo: await completeTo(db),
  };
}

const DAY_MS = 86_400_000n;

/** The oldest shipped position of the journals that moved within a day of the newest. */
export async function completeTo(db: Queries): Promise<bigint | null> {
  const journals = await rows(
    db,
    query.selectFrom("usage_journal_offsets").select(["last_ts", "updated_at"])
      .where("kind", "=", "requests").where("last_ts", ">", 0n),
  );
  const newest = journals.reduce((max, { updated_at }) => updated_at > max ? updated_at : max, 0n);
  const live = journals.filter(({ updated_at }) => updated_at > newest - DAY_MS);
  return live.reduce<bigint | null>(
    (min, { last_ts }) => min === null || last_ts < min ? last_ts : min,
    null,
  );
}
