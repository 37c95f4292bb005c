import type { DatabaseSync } from "node:sqlite";
import {
  type Compilable,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { Database } from "./schema.ts";

/** Builds typed SQL; it runs nothing. */
export const query: Kysely<Database> = new Kysely<Database>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** Runs a query and gives all of its rows; integers are bigint. */
export function rows<Row>(db: DatabaseSync, compilable: Compilable<Row>): Row[] {
  const { sql, parameters } = compilable.compile();
  const statement = db.prepare(sql);
  statement.setReadBigInts(true);
  return statement.all(...parameters as (string | bigint | number | null)[]) as Row[];
}
