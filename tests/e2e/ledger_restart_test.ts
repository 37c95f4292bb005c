import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import {
  caller,
  type ConfigOptions,
  DIALECTS,
  journalRows,
  type Loose,
  startTestGateway,
  testConfig,
  TOKEN,
  writeConfig,
} from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { call } from "../gateway_client.ts";
import { type GatewayProcess, makeFolder, runServe, spawnGateway } from "../gateway_process.ts";
import { until } from "../until.ts";

const LIMITS = {
  rate: { rpm: 500, tpm: 400_000, concurrent: 40 },
  quota: { day: { requests: 5_000, tokens: 9_000_000, cost_usd: 100 }, month: { cost_usd: 900 } },
};

/** Every caller limited, before the built-in upstream at a price. */
function config(more: Partial<ConfigOptions> = {}): ConfigOptions {
  const target = { model: "echo", input_price_per_million_usd: 3, output_price_per_million_usd: 7 };
  return {
    upstreams: [],
    providers: Object.fromEntries(
      DIALECTS.map((dialect) => [dialect, { base_url: "builtin:echo", dialect }]),
    ),
    group: { targets: DIALECTS.map((provider) => ({ provider, ...target })) },
    callers: [caller("ci", TOKEN, { ...LIMITS, project: "shop" })],
    top: {
      users: [{ id: "default", quota: { day: { tokens: 9_000_000 } } }],
      projects: [{ id: "shop", rate: { rpm: 600 } }],
      project_memberships: [{ user_id: "default", project: "shop" }],
    },
    ...more,
  };
}

async function usage({ url }: { readonly url: string }): Promise<Loose> {
  return await (await fetch(`${url}/v1/usage`, { headers: { "x-api-key": TOKEN } })).json();
}

/** Makes calls in a few lanes until the gateway is gone; `each` is told of every answer. */
async function load(url: string, each: () => void): Promise<void> {
  await Promise.all(Array.from({ length: 6 }, async (_, lane) => {
    for (let turn = lane;; turn++) {
      try {
        await call(url, DIALECTS[turn % 3]!, { stream: turn % 2 === 0 });
        each();
      } catch {
        return;
      }
    }
  }));
}

/** What the journal says was charged. */
function charged(dir: string) {
  const rows = journalRows(dir).filter(({ charged_at }) => charged_at !== undefined);
  const sum = (name: string) => rows.reduce((sum, row) => sum + Number(row[name]), 0);
  return {
    calls: rows.length,
    requests: sum("charged_requests"),
    tokens: sum("charged_tokens"),
    nusd: sum("charged_nusd"),
  };
}

/** The counters of a gateway are those of its journal. */
async function assertExact(gateway: { readonly url: string }, dir: string): Promise<void> {
  const { rate, quota, shared } = await usage(gateway);
  const told = {
    calls: rate.rpm.used,
    requests: quota.day.requests.used,
    tokens: rate.tpm.used,
    nusd: Math.round(quota.month.cost_usd.used * 1e9),
  };
  assert.deepEqual(told, charged(dir));
  assert.deepEqual(
    [quota.day.tokens.used, quota.lifetime.tokens.used, shared.user.quota.day.tokens.used],
    [told.tokens, told.tokens, told.tokens],
  );
  assert.equal(shared.project.rate.rpm.used, told.calls);
  assert.deepEqual([rate.concurrent.used, rate.tpm.reserved], [0, 0]);
}

Deno.test("limits are exact after kill -9, again and again, rate windows included", async () => {
  await using folder = await makeFolder(config());
  for (let round = 0; round < 4; round++) {
    await using gateway = await spawnGateway(folder.dir);
    if (round > 0) await assertExact(gateway, folder.dir);
    let answers = 0;
    await load(gateway.url, () => {
      if (++answers === 25 + 17 * round) gateway.kill("SIGKILL");
    });
  }
  await using last = await spawnGateway(folder.dir);
  await assertExact(last, folder.dir);
  assert(charged(folder.dir).calls > 100);
});

Deno.test("limits are rebuilt from the journal when the state is gone", async () => {
  await using folder = await makeFolder(config());
  {
    await using gateway = await spawnGateway(folder.dir);
    for (let count = 0; count < 20; count++) await call(gateway.url, "anthropic");
    await stop(gateway);
  }
  for (const { name } of Deno.readDirSync(join(folder.dir, "state"))) {
    if (name.startsWith("router.kv")) Deno.removeSync(join(folder.dir, "state", name));
  }
  await using gateway = await spawnGateway(folder.dir);
  assert.match(gateway.output(), /ledger_rebuilt.*"lines":20/);
  await assertExact(gateway, folder.dir);
});

Deno.test("limits do not count a line twice or leave one out after a clean stop", async () => {
  await using folder = await makeFolder(config());
  for (let round = 0; round < 3; round++) {
    await using gateway = await spawnGateway(folder.dir);
    if (round > 0) assert.doesNotMatch(gateway.output(), /ledger_rebuilt/);
    await call(gateway.url, "openai-chat");
    await assertExact(gateway, folder.dir);
    await stop(gateway);
  }
});

Deno.test("limits count a line once when a crash came between an account and the head", async () => {
  await using folder = await makeFolder(config());
  {
    await using gateway = await spawnGateway(folder.dir);
    for (let count = 0; count < 5; count++) await call(gateway.url, "openai-chat");
    await stop(gateway);
  }
  {
    using kv = await Deno.openKv(join(folder.dir, "state/router.kv"));
    const { value } = await kv.get<Loose>(["ledger", "head"]);
    const position = { segment: 1, byteOffset: 0 };
    await kv.set(["ledger", "head"], { ...value, seq: 0, position });
  }
  await using gateway = await spawnGateway(folder.dir);
  await assertExact(gateway, folder.dir);
});

async function stop(gateway: GatewayProcess): Promise<void> {
  gateway.kill("SIGTERM");
  assert.equal(await gateway.ended, 0);
}

Deno.test("gateway does not start on state that another one uses, or that is none", async () => {
  await using folder = await makeFolder(config());
  await using gateway = await spawnGateway(folder.dir);
  const elsewhere = { logging: { path: "./other/requests.jsonl" } };
  writeConfig(folder.dir, testConfig(config({ server: elsewhere })));
  const beside = await runServe(folder.dir);
  assert.equal(beside.code, 1);
  assert.match(beside.output, /Cannot open the state .*another gateway uses it/);
  await stop(gateway);
  Deno.writeTextFileSync(join(folder.dir, "state/router.kv"), "no database\n".repeat(1_000));
  const broken = await runServe(folder.dir);
  assert.equal(broken.code, 1);
  assert.match(
    broken.output,
    /Cannot open the state ".*": .*; once it is moved away, a start makes/,
  );
  await Deno.remove(join(folder.dir, "state/router.kv"));
  await Deno.rename(join(folder.dir, "other"), join(folder.dir, "was"));
  Deno.writeTextFileSync(join(folder.dir, "other"), "");
  const noFolder = await runServe(folder.dir);
  assert.equal(noFolder.code, 1);
  assert.match(
    noFolder.output,
    /Cannot open the journal ".*requests\.jsonl": its folder is a file/,
  );
});

for (
  const { name, onFailure, graceMs, code } of [
    { name: "refuse", onFailure: "refuse", graceMs: 600_000, code: "down" },
    { name: "grace", onFailure: "grace", graceMs: 600_000, code: "grace" },
    { name: "grace that is over", onFailure: "grace", graceMs: 200, code: "down" },
  ]
) {
  Deno.test(`limited callers while the state is locked, with on_failure: ${name}`, async () => {
    const server = { ledger: { on_failure: onFailure, grace_ms: graceMs } };
    const other = TOKEN.replace("_ci_", "_free_");
    const callers = [caller("ci", TOKEN, LIMITS), caller("free", other)];
    await using gateway = await startTestGateway({ ...config(), server, callers, top: {} });
    const as = (token: string) =>
      call(gateway.url, "openai-chat", { headers: { authorization: `Bearer ${token}` } });
    {
      using _lock = lockFile(join(gateway.dir, "state/router.kv"));
      assert.equal((await as(TOKEN)).status, 200, "nobody knows yet");
      await until(async () => await ledgerCheck(gateway.url) === code);
      const answer = await as(TOKEN);
      if (code === "grace") assert.equal(answer.status, 200);
      else {
        assertError("openai-chat", answer, "quota-store-unavailable");
        assert.equal(answer.headers.get("retry-after"), "1");
      }
      assert.equal((await as(other)).status, 200, "who has no limits needs no counters");
    }
    await until(async () => await ledgerCheck(gateway.url) === "ok");
    assert.equal((await as(TOKEN)).status, 200);
    for (const event of ["ledger_failed", "ledger_recovered"]) {
      assert(gateway.logs.some((line) => line.includes(`"${event}"`)), event);
    }
    const failed = gateway.logs.find((line) => line.includes('"ledger_failed"'));
    assert.match(failed ?? "", /"reason":"(late|database is locked)"/);
  });
}

/** Holds a database so that nobody else can write it. */
function lockFile(path: string): Disposable {
  const db = new DatabaseSync(path);
  db.exec("BEGIN EXCLUSIVE");
  return {
    [Symbol.dispose]() {
      db.exec("ROLLBACK");
      db.close();
    },
  };
}

async function ledgerCheck(url: string): Promise<string> {
  const { checks } = await (await fetch(`${url}/readyz`)).json();
  return checks.find(({ name }: Loose) => name === "ledger").code;
}
