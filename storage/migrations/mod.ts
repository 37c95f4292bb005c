import type { Migration } from "../migration.ts";
import { callTables } from "./0001_call_tables.ts";

/** Every migration, in order. A new one goes at the end; an applied one never changes. */
export const migrations: readonly Migration[] = [callTables];
