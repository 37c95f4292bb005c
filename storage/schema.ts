import type { Migration } from "./migration.ts";
import type {
  requestAttempts,
  requestErrors,
  requestUsage,
  securityAccessEvents,
  usageJournalOffsets,
} from "./migrations/0001_call_tables.ts";
import { migrations } from "./migrations/mod.ts";
import type { RowOf, Table } from "./table.ts";

/** The rows of the database by table, as queries see them. */
export interface Database {
  readonly request_usage: RowOf<typeof requestUsage>;
  readonly request_attempts: RowOf<typeof requestAttempts>;
  readonly request_errors: RowOf<typeof requestErrors>;
  readonly security_access_events: RowOf<typeof securityAccessEvents>;
  readonly usage_journal_offsets: RowOf<typeof usageJournalOffsets>;
}

/** Every table as it is after all migrations: the migrations are the one list of columns. */
export const tables: ReadonlyMap<string, Table> = tablesAfter(migrations);

/** Tables whose rows ride in the line of a call, without their `request_id`. */
export const childTables: readonly string[] = ["request_attempts", "request_errors"];

/** Tables that lines of the event journal may name. */
export const eventTables: readonly string[] = ["security_access_events"];

/** Folds migrations into the tables they leave. */
export function tablesAfter(list: readonly Migration[]): ReadonlyMap<string, Table> {
  const found = new Map<string, Table>();
  for (const step of list.flatMap(({ steps }) => steps)) {
    if (step.do === "createTable") found.set(step.table.name, step.table);
    if (step.do !== "addColumn") continue;
    const before = found.get(step.table);
    if (!before) throw new RangeError(`Cannot add a column: no table "${step.table}"`);
    const names = [...before.columns[step.column.kind] ?? [], step.column.name];
    const columns = { ...before.columns, [step.column.kind]: names };
    found.set(step.table, { ...before, columns });
  }
  return found;
}
