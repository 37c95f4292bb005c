import { ExitError, type World } from "../core/command.ts";
import type { UsageDbSettings } from "../core/snapshot.ts";
import { openDatabase } from "./open_database.ts";
import { orDatabaseError } from "./database_flags.ts";
import { planOf, printPlan } from "./migrate_output.ts";
import { migrations } from "./migrations/mod.ts";
import { schemaStatus } from "./schema_status.ts";

/**
 * Under `migration_policy: validate`, refuses to start on any schema but the one of this program.
 *
 * @throws ExitError 1, after printing what is pending
 */
export async function validateSchema(usageDb: UsageDbSettings, world: World): Promise<void> {
  if (!usageDb.enabled || usageDb.migrationPolicy !== "validate") return;
  await orDatabaseError(async () => {
    await using db = await openDatabase(usageDb, "read");
    const { ledger, pending, faults } = await schemaStatus(db, migrations);
    if (pending.length > 0) world.print(printPlan(await planOf(db, pending)));
    if (pending.length === 0 && faults.length === 0 && ledger.length === migrations.length) return;
    const reasons = [`${pending.length} migrations are pending`, ...faults];
    throw new ExitError(1, `Cannot start: the schema is not current: ${reasons.join("; ")}`);
  });
}
