import assert from "node:assert/strict";
import { ECHO } from "../gateway_config.ts";
import { call } from "../gateway_client.ts";
import { makeFolder, runServe, spawnGateway } from "../gateway_process.ts";

const SOCKET = "/nowhere/pointsman/.s.PGSQL.5432";
const DSN = "postgres:///usage?host=/nowhere/pointsman&user=ada";
const LACKING = new RegExp(`lacks the permission to write .* --allow-write=\\.,${SOCKET} `);

function config() {
  return { ...ECHO, server: { usage_db: { driver: "postgres", dsn: DSN } } };
}

for (const words of [["migrate", "status"], ["report"], ["usage", "ship"]]) {
  Deno.test(`${words.join(" ")} says which permission the socket of Postgres needs`, async () => {
    await using folder = await makeFolder(config());
    const { code, output } = await runServe(folder.dir, words);
    assert.match(output, LACKING);
    assert.equal(output.trimEnd().split("\n").length, 1, output);
    assert.equal(code, 1);
  });
}

Deno.test("gateway serves without the socket of Postgres, and says which permission it needs", async () => {
  await using folder = await makeFolder(config());
  await using gateway = await spawnGateway(folder.dir);
  const late = setTimeout(() => gateway.kill("SIGKILL"), 10_000);
  await gateway.said(LACKING);
  clearTimeout(late);
  assert.equal((await call(gateway.url, "openai-chat")).status, 200);
  const ready = await (await fetch(`${gateway.url}/readyz`)).json();
  const { code } = ready.checks.find(({ name }: { name: string }) => name === "usage_db");
  assert.equal(code, "down");
});
