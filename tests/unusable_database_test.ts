import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { run } from "./storage_commands.ts";
import { openPlace } from "./storage_drivers.ts";
import { makePlace, type Place } from "./storage_fixture.ts";

/** What an operator may find, and what the command says of it. */
const FOUND: readonly (readonly [string, (path: string) => void, RegExp])[] = [
  [
    "that is not there",
    (path) => Deno.removeSync(path),
    /there is no file ".*usage\.sqlite"; a gateway makes it, and so does pointsman migrate apply$/,
  ],
  [
    "that is a folder",
    (path) => {
      Deno.removeSync(path);
      Deno.mkdirSync(path);
    },
    /".*usage\.sqlite" is no file$/,
  ],
  [
    "that is no database",
    (path) => Deno.writeTextFileSync(path, "calls,cost\n".repeat(1_000)),
    /the file is no SQLite database$/,
  ],
  [
    "of a later release",
    (path) =>
      change(
        path,
        `INSERT INTO schema_migrations (id, name, checksum, state, router_version, started_at)
          VALUES (99, 'later', 'ab', 'applied', '9.9.9', 1)`,
      ),
    /migration 99 "later" is newer than this program; release 9\.9\.9 applied it$/,
  ],
];

function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

async function withDatabase(work: (place: Place, path: string) => Promise<void>): Promise<void> {
  using place = makePlace();
  await (await openPlace(place))[Symbol.asyncDispose]();
  await work(place, join(place.folder, "usage.sqlite"));
}

for (const [name, happen, said] of FOUND) {
  Deno.test(`commands on a database ${name} say so`, () =>
    withDatabase(async (place, path) => {
      happen(path);
      for (const words of [["report"], ["hold", "list"], ["rollup", "status"]]) {
        const { out, code } = await run(place, ...words);
        assert.match(out, said);
        assert.match(out, /^Cannot use the usage database: /);
        assert.equal(code, 1);
      }
    }));
}

Deno.test("commands on a database that another process holds say so", () =>
  withDatabase(async (place, path) => {
    const holder = new DatabaseSync(path);
    holder.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    const { out, code } = await run(place, "report");
    holder.close();
    assert.match(out, /another process has held it for 5 s; try again when that is done$/);
    assert.equal(code, 1);
  }));
