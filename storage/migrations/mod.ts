import type { Migration } from "../migration.ts";
import { callTables } from "./0001_call_tables.ts";
import { diagnosticTables } from "./0002_diagnostic_tables.ts";
import { decisionTables } from "./0003_decision_tables.ts";
import { contentTables } from "./0004_content_tables.ts";
import { rollupTables } from "./0005_rollup_tables.ts";
import { retentionTables } from "./0006_retention_tables.ts";
import { controlTables } from "./0007_control_tables.ts";
import { usageUsdView } from "./0008_usage_usd.ts";

/** Every migration, in order. A new one goes at the end; an applied one never changes. */
export const migrations: readonly Migration[] = [
  callTables,
  diagnosticTables,
  decisionTables,
  contentTables,
  rollupTables,
  retentionTables,
  controlTables,
  usageUsdView,
];
