import assert from "node:assert/strict";
import { parseDsn } from "../core/dsn.ts";

Deno.test("dsn is read in each of its forms", () => {
  const full = parseDsn("postgresql://ada:p%40ss@db.internal:6432/usage?sslmode=verify-full");
  assert.deepEqual(full, {
    host: "db.internal",
    port: 6432,
    database: "usage",
    user: "ada",
    password: "p@ss",
    sslMode: "verify-full",
    sslRootCert: null,
  });
  const socket = parseDsn("postgres:///usage?host=/run/postgresql&user=ada");
  assert.deepEqual([socket?.host, socket?.port, socket?.user], ["/run/postgresql", 5432, "ada"]);
  assert.equal(parseDsn("postgres://ada@[::1]/usage")?.host, "::1");
});

for (
  const text of [
    "",
    "usage",
    "mysql://ada@db/usage",
    "postgres://ada@db",
    "postgres://db/usage",
    "postgres:///usage?user=ada",
    "postgres://ada@db:0/usage",
    "postgres://ada@db/usage?sslmode=maybe",
    "postgres://ada@db/usage?options=-csearch_path%3Dx",
    "postgres://a%ZZ@db/usage",
  ]
) {
  Deno.test(`dsn "${text}" is refused`, () => assert.equal(parseDsn(text), null));
}
