import assert from "node:assert/strict";
import { openDatabase } from "../../storage/open_database.ts";
import { type ConfigOptions, DIALECTS, journalRows } from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { makeFolder, spawnGateway } from "../gateway_process.ts";
import { startCutProxy } from "../cut_proxy.ts";
import { startPostgres } from "../postgres.ts";

/** Makes calls until the gateway is gone; tells of each that was answered. */
async function load(url: string, answered: (id: string) => void): Promise<void> {
  for (let turn = 0;; turn += 1) {
    try {
      const answer = await call(url, DIALECTS[turn % 3]!, {});
      if (answer.status === 200) answered(answer.id);
    } catch {
      return;
    }
  }
}

Deno.test("gateway on Postgres that is killed again and again has one row for each answered call", async () => {
  await using server = await startPostgres();
  await using proxy = startCutProxy(server.socket);
  const dsn = await server.database();
  const name = /^postgres:\/\/\/(\w+)/.exec(dsn)![1]!;
  const echo: ConfigOptions = {
    upstreams: [],
    providers: Object.fromEntries(
      DIALECTS.map((dialect) => [dialect, { base_url: "builtin:echo", dialect }]),
    ),
    group: { targets: DIALECTS.map((provider) => ({ provider, model: "echo" })) },
    server: {
      usage_db: {
        driver: "postgres",
        dsn: `postgres://test@127.0.0.1:${proxy.port}/${name}`,
        migration_policy: "auto-safe",
      },
    },
  };
  await using folder = await makeFolder(echo);
  const answered = new Set<string>();
  for (let round = 0; round < 4; round += 1) {
    await using gateway = await spawnGateway(folder.dir);
    const enough = answered.size + 60 + 40 * round;
    await Promise.all(Array.from({ length: 4 }, () =>
      load(gateway.url, (id) => {
        answered.add(id);
        if (answered.size === enough) gateway.kill("SIGKILL");
      })));
  }
  {
    await using gateway = await spawnGateway(folder.dir);
    gateway.kill("SIGTERM");
    assert.equal(await gateway.ended, 0, gateway.output());
  }
  await using db = await openDatabase({ driver: "postgres", path: "", dsn }, "read");
  const rows = await db.query(
    "SELECT u.request_id, u.total_tokens, s.message_count FROM request_usage AS u " +
      "JOIN request_shapes AS s USING (request_id) JOIN request_attempts AS a USING (request_id)",
  );
  const lines = journalRows(folder.dir);
  const ids = new Set(rows.map(({ request_id }) => String(request_id)));
  assert.equal(ids.size, rows.length, "no call has two rows");
  assert.equal(rows.length, lines.length, "each line has its row, its attempt and its shape");
  assert.deepEqual([...answered].filter((id) => !ids.has(id)), []);
  const tokens = lines.reduce((sum, line) => sum + Number(line["total_tokens"]), 0);
  assert.equal(rows.reduce((sum, row) => sum + Number(row.total_tokens), 0), tokens);
});
