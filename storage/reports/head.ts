import type { Queries } from "../database.ts";
import { completeTo } from "../offsets.ts";
import { findCoverage } from "./coverage.ts";
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
    isInterpolated: (await findCoverage(db, filter, "any")).spans.length > 0,
  };
}
