import { type RawBuilder, sql } from "kysely";
import { words } from "../table.ts";
import type { ReportFilter } from "./report.ts";

/** The condition that a call `u`, a row of `request_usage`, is what the filter asks for. */
export function isWanted(filter: ReportFilter): RawBuilder<boolean> {
  const { from, to } = filter;
  const inWindow = sql`u.ts >= ${BigInt(from)} and u.ts < ${BigInt(to)}`;
  return sql`${
    sql.join([inWindow, ...labelConditions(filter, "u"), ...rowConditions(filter)], AND)
  }`;
}

/** Conditions on labels, which rows of calls and of rollups have. */
export function labelConditions(
  { labels }: ReportFilter,
  table: "u" | "r",
): readonly RawBuilder<unknown>[] {
  return Object.entries(labels).map(([column, value]) =>
    sql`${sql.ref(`${table}.${column}`)} = ${value}`
  );
}

/** Conditions that only rows of calls can answer. */
function rowConditions(
  { status, tokenIdPrefix, trafficShapedOnly }: ReportFilter,
): readonly RawBuilder<unknown>[] {
  const found: RawBuilder<unknown>[] = [];
  if (status) {
    found.push(sql`u.status between ${BigInt(status[0])} and ${BigInt(status[1])}`);
  }
  if (tokenIdPrefix !== null) {
    const size = BigInt([...tokenIdPrefix].length);
    found.push(sql`substr(u.token_id, 1, cast(${size} as int)) = ${tokenIdPrefix}`);
  }
  if (trafficShapedOnly) found.push(sql`u.traffic_shape_applied = 1`);
  return found;
}

/** Between conditions. */
const AND = sql` and `;

const ROLLUP_LABELS: readonly string[] = words(
  "caller_id caller_user caller_project caller_environment token_id client requested_model",
  "resolved_group target_provider target_model target_dialect cache policy_digest",
);

/** Whether rollups can answer: they hold fewer labels than calls do. */
export function isInRollups(filter: ReportFilter): boolean {
  return rowConditions(filter).length === 0 &&
    Object.keys(filter.labels).every((column) => ROLLUP_LABELS.includes(column));
}
