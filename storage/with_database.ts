import type { World } from "../core/command.ts";
import type { Purpose, UsageDatabase } from "./database.ts";
import {
  type DatabaseFlags,
  databaseOf,
  orDatabaseError,
  type StorageCommandOptions,
} from "./database_flags.ts";
import { assertCurrent } from "./migrate.ts";
import { migrations } from "./migrations/mod.ts";
import { openDatabase } from "./open_database.ts";

/**
 * Runs the work of a command on the database its flags name, which must have the schema of this program.
 *
 * @throws ExitError 1 when the database cannot be used, 2 when the flags do not fit together
 */
export async function withDatabase<T>(
  flags: DatabaseFlags,
  { purpose, ...surroundings }: StorageCommandOptions & {
    readonly world: World;
    readonly purpose: Purpose;
  },
  work: (db: UsageDatabase) => Promise<T>,
): Promise<T> {
  const place = await databaseOf(flags, surroundings);
  return await orDatabaseError(async () => {
    await using db = await openDatabase(place, purpose);
    await assertCurrent(db, migrations);
    return await work(db);
  });
}
