import assert from "node:assert/strict";
import { join } from "node:path";
import { rollbackKey } from "@/core/rollout_guard.ts";
import { openPolicyBoard } from "@/storage/policy_board.ts";
import { openKv } from "@/storage/ledger_kv.ts";
import { createStateKv } from "@/storage/state_kv.ts";
import { type ConfigOptions, type ConfigTree, type Loose, startTestGateway } from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { makeFolder, spawnGateway } from "../gateway_process.ts";
import { until } from "../until.ts";
import { told } from "../workers.ts";

const CHAT = "openai-chat";
const TARGETS = [
  { provider: "echo", model: "echo", id: "old" },
  { provider: "echo", model: "echo", id: "new" },
];

/** Chooses the second target; what is broken throws. */
const policy = (broken = false) => `
export function route(ctx) {
  ${broken ? 'throw new Error("no");' : ""}
  return { targetIndex: 1 };
}`;

const LIMITS = { window_ms: 60_000, min_decisions: 5 };

function options(rollout: ConfigTree, broken = false): ConfigOptions {
  return {
    upstreams: [],
    // The same conversations are members in each run.
    server: { conversation_salt: "salt" },
    providers: { echo: { base_url: "builtin:echo", dialect: CHAT } },
    group: {
      strategy: "script",
      script: "policy.ts",
      script_timeout_ms: 1_000,
      on_error: "fallback",
      base_strategy: "failover",
      targets: TARGETS,
      rollout,
    },
    files: { "policy.ts": policy(broken) },
  };
}

const session = (name: string) => ({ headers: { "x-router-session": name } });

async function armOf(url: string, name: string): Promise<string> {
  const path = "/v1/route/explain";
  const { arm, passes } = (await call(url, CHAT, { path, ...session(name) })).json();
  assert.equal(passes[0].order[0], arm === "rollout" ? 1 : 0, "each arm decides for itself");
  return arm;
}

Deno.test("a policy decides about its share of conversations, and members stay as it grows", async () => {
  await using gateway = await startTestGateway(options({ percent: 30, salt: "a" }));
  const names = Array.from({ length: 60 }, (_, at) => `c${at}`);
  const before = new Map<string, string>();
  for (const name of names) before.set(name, await armOf(gateway.url, name));
  const members = names.filter((name) => before.get(name) === "rollout");
  assert(members.length > 8 && members.length < 28, `${members.length} of 60 at 30 %`);
  await gateway.reload(options({ percent: 60, salt: "a" }));
  for (const name of members) assert.equal(await armOf(gateway.url, name), "rollout");
  const served = await call(gateway.url, CHAT, session(members[0]!));
  assert.equal(served.status, 200, served.text);
  const row = gateway.rows().at(-1)!;
  assert.equal(row["policy_arm"], "rollout");
});

/** The line of a rollback, as soon as it is there. */
async function rolledBack(logs: readonly string[], call: () => Promise<unknown>): Promise<Loose> {
  for (let made = 0; made < 50; made++) {
    const line = logs.map((text) => JSON.parse(text))
      .find(({ event }) => event === "rollout_rolled_back");
    if (line) return line;
    await call();
  }
  throw new Error("Nothing was rolled back");
}

Deno.test("a policy that fails is taken back to the base, in all processes and until it is resumed", async () => {
  const rollout = { percent: 100, auto_rollback: LIMITS };
  await using gateway = await startTestGateway(options(rollout, true));
  const path = join(gateway.dir, "state/router.kv");
  using kv = await openKv(path);
  const state = createStateKv(kv);
  const line = await rolledBack(gateway.logs, () => call(gateway.url, CHAT));
  assert.equal(line["reason"], "max_error_rate");
  const runs = gateway.rows().filter(({ policy_arm }) => policy_arm === "rollout").length;
  assert.equal(runs, LIMITS.min_decisions, "not one decision more than it takes");
  assert.equal(await armOf(gateway.url, "any"), "base");
  const stored = () => state.get(rollbackKey("fast"));
  await until(async () => await stored() !== null);
  const rollback = await stored();
  const arm = async () =>
    (await call(gateway.url, CHAT, { path: "/v1/route/explain" })).json()["arm"];
  using board = await openPolicyBoard(path, Date.now);
  await board.askToResume("fast");
  await until(async () => await arm() === "rollout");
  // What one process stores, another one finds.
  await state.set(rollbackKey("fast"), rollback);
  await until(async () => await arm() === "base");
});

Deno.test("a rollback reaches every worker, and is resumed in all of them", async () => {
  const rollout = { percent: 100, auto_rollback: LIMITS };
  await using folder = await makeFolder({ ...options(rollout, true), server: { workers: 2 } });
  await using gateway = await spawnGateway(folder.dir);
  for (let made = 0; told(gateway, "rollout_rolled_back") === 0; made++) {
    assert(made < 500, "nothing was rolled back");
    await call(gateway.url, CHAT);
  }
  await until(async () => await armsOf(gateway.url) === "base");
  assert.equal(told(gateway, "rollout_rolled_back"), 1, "the other one was told");
  using board = await openPolicyBoard(join(folder.dir, "state/router.kv"), Date.now);
  await board.askToResume("fast");
  await until(async () => await armsOf(gateway.url) === "rollout");
});

/** The arms that explain tells of over many connections: every worker takes some of them. */
async function armsOf(url: string): Promise<string> {
  const arms = new Set<string>();
  for (let asked = 0; asked < 24; asked++) {
    const path = "/v1/route/explain";
    const answer = await call(url, CHAT, { path, headers: { connection: "close" } });
    arms.add(answer.json()["arm"]);
  }
  return [...arms].sort().join(" and ");
}
