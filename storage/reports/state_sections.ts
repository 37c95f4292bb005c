import { sql } from "kysely";
import { column, type Report } from "./report.ts";
import { selectReport } from "./select_report.ts";

/** The state of the database itself: not of the calls of a window. */
export const stateSections: readonly Report[] = [
  selectReport({
    id: "migrations",
    title: "Migrations",
    columns: [
      column("id", "Id", "count"),
      column("name", "Name"),
      column("state", "State"),
      column("router_version", "Version"),
      column("finished_at", "Applied", "time"),
    ],
    sort: { by: "id", direction: "asc" },
    select: () => sql`select * from schema_migrations`,
  }),
  selectReport({
    id: "retention",
    title: "Retention",
    columns: [
      column("started_at", "Started", "time"),
      column("job_id", "Job"),
      column("mode", "Mode"),
      column("table_name", "Table"),
      column("data_class", "Class"),
      column("status", "Status"),
      column("cutoff_ts", "Before", "time"),
      column("candidate_rows", "Candidates", "count"),
      column("held_rows", "Held", "count"),
      column("eligible_rows", "Eligible", "count"),
      column("blocked_rows", "Blocked", "count"),
      column("deleted_rows", "Deleted", "count"),
    ],
    sort: { by: "started_at", direction: "desc" },
    select: (filter) =>
      sql`select r.*, j.started_at, j.mode from retention_job_table_results as r
        join retention_jobs as j on j.id = r.job_id
        where j.started_at >= ${BigInt(filter.from)} and j.started_at < ${BigInt(filter.to)}`,
  }),
];
