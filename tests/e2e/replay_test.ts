import assert from "node:assert/strict";
import { join } from "node:path";
import { runReplay } from "@/policies/replay/run_replay.ts";
import { createDecisionArchive } from "@/storage/decision_archive.ts";
import {
  type ConfigOptions,
  type ConfigTree,
  startTestGateway,
  type TestGateway,
} from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { rowsOf } from "../recorded_rows.ts";

const CHAT = "openai-chat";
const TARGETS = ["first", "second", "third"].map((id) => ({ provider: "echo", model: "echo", id }));

/** A gateway whose group is decided so; every decision is recorded. */
function deciding(group: ConfigTree, files: Readonly<Record<string, string>>): ConfigOptions {
  return {
    upstreams: [],
    server: { decision_telemetry: { sample_percent: 100 } },
    providers: { echo: { base_url: "builtin:echo", dialect: CHAT } },
    group: { script_timeout_ms: 1_000, targets: TARGETS, ...group },
    files,
  };
}

function replay({ dir }: TestGateway) {
  const archive = createDecisionArchive({
    settingsOf: () => {
      throw new Error("Cannot find settings");
    },
  });
  return runReplay({
    archive,
    place: { driver: "sqlite", path: join(dir, "state", "usage.sqlite"), dsn: "" },
    strategies: import.meta.resolve("@/strategies/mod.ts"),
    filter: { group: null, since: 0, until: Number.MAX_SAFE_INTEGER },
    candidate: { kind: "stored" },
    jobs: 1,
    limit: null,
    onProgress() {},
  });
}

const choosing = (index: number) =>
  `export function route({ seed }) {
  return { targetIndex: ${index}, classLabel: "of:${index}", metadata: { draw: seed % 7 } };
}`;

const BASES: readonly (readonly [string, ConfigTree])[] = [
  ["a policy", { rollout: { percent: 50, base: { script: "old.ts" } } }],
  ["a strategy", { base_strategy: "weighted", rollout: { percent: 50 } }],
];

for (const [name, base] of BASES) {
  Deno.test(`replay decides by the policy of the arm that decided; the base is ${name}`, async () => {
    const files = { "new.ts": choosing(1), "old.ts": choosing(2) };
    const group = { strategy: "script", script: "new.ts", ...base };
    await using gateway = await startTestGateway(deciding(group, files));
    const made = 24;
    for (let n = 0; n < made; n++) {
      const headers = { "x-router-session": `c${n}` };
      assert.equal((await call(gateway.url, CHAT, { headers })).status, 200);
    }
    await rowsOf(gateway, "request_decision_records", made);
    const arms = (await rowsOf(gateway, "request_routing_decisions", made)).map(({ arm }) => arm);
    assert.deepEqual([...new Set(arms)].sort(), ["base", "rollout"]);
    const { verdicts, differences } = await replay(gateway);
    assert.deepEqual(differences, []);
    assert.equal(verdicts.identical, made);
  });
}

Deno.test("nothing of a prompt is recorded, though a policy that saw it repeats it", async () => {
  const repeats = `export function route({ text }) {
    return { targetIndex: 1, metadata: { said: text.slice(0, 200), [text.slice(0, 9)]: 1 } };
  }`;
  const group = { strategy: "script", script: "repeats.ts", include_request: true };
  await using gateway = await startTestGateway(deciding(group, { "repeats.ts": repeats }));
  const messages = [{ role: "user", content: "canary-of-a-prompt" }];
  assert.equal((await call(gateway.url, CHAT, { body: { messages } })).status, 200);
  const [record] = await rowsOf(gateway, "request_decision_records", 1);
  assert.match(record!["content_sha256"], /^[0-9a-f]{64}$/);
  const { targetIndex, metadata } = JSON.parse(record!["plan_json"]);
  assert.equal(targetIndex, 1);
  assert.deepEqual(Object.keys(metadata), ["sha256"]);
  const folder = join(gateway.dir, "state", "journal");
  for (const { name } of Deno.readDirSync(folder)) {
    assert(!Deno.readTextFileSync(join(folder, name)).includes("canary"), name);
  }
  const { verdicts } = await replay(gateway);
  assert.deepEqual([verdicts.needsContent, verdicts.different], [1, 0]);
});
