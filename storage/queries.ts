import {
  type Compilable,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
} from "kysely";
import type { Queries, Value } from "./database.ts";
import type { Database } from "./schema.ts";

/** Builds typed SQL that both engines understand; it runs nothing. */
export const query: Kysely<Database> = new Kysely<Database>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** Runs a query and gives all of its rows; integers are bigint. */
export async function rows<Row>(db: Queries, compilable: Compilable<Row>): Promise<Row[]> {
  const { sql, parameters } = compilable.compile();
  return await db.query(sql, ...parameters as readonly Value[]) as Row[];
}

/** Runs a statement that is written by hand. */
export function run<Row>(db: Queries, statement: RawBuilder<Row>): Promise<Row[]> {
  return rows(db, { compile: () => statement.compile(query) });
}
