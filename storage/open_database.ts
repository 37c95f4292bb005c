import { dirname } from "node:path";
import type { DatabasePlace, Purpose, UsageDatabase } from "./database.ts";

/** Opens the database of a driver; the driver is loaded when it is needed. */
export async function openDatabase(place: DatabasePlace, purpose: Purpose): Promise<UsageDatabase> {
  switch (place.driver) {
    case "sqlite": {
      const { openSqlite } = await import("./sqlite.ts");
      return openSqlite(place.path, purpose);
    }
    case "postgres": {
      const { openPostgres } = await import("./postgres.ts");
      return await openPostgres(place.dsn ?? "", purpose);
    }
  }
}

/** Makes the folder of a database file. The storage worker may not: it has the file alone. */
export function makeFolder({ driver, path }: DatabasePlace): void {
  if (driver === "sqlite") Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
}
