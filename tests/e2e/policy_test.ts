import assert from "node:assert/strict";
import { join } from "node:path";
import { wait } from "@/core/wait.ts";
import {
  caller,
  type ConfigOptions,
  type ConfigTree,
  journalRows,
  type Loose,
  policyExecutions,
} from "../gateway.ts";
import { TOKEN, writeConfig } from "../gateway.ts";
import { testConfig } from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { type Answer, call } from "../gateway_client.ts";
import { type GatewayProcess, makeFolder, runServe, spawnGateway } from "../gateway_process.ts";
import { HOSTILE, HOSTILE_BY_CAP, HOSTILE_POLICY } from "../policy_cases.ts";
import { until } from "../until.ts";
import { reply, startUpstream } from "../upstream.ts";
import { runPolicy } from "../policy_commands.ts";
import { hostsOf, isRunning, residentMb, settledHosts } from "../policy_support.ts";

/** A policy that chooses a target, and writes a label. */
const choosing = (label: string) => `
export const route = () => ({ targetIndex: 1, fallbackIndexes: [], classLabel: "${label}" });`;

const ECHO = { base_url: "builtin:echo", dialect: "openai-chat" };
const TARGETS = ["echo-reasoning", "echo"].map((model) => ({ provider: "echo", model }));

/** A gateway with the group `fast`, and `policed` with a policy that chooses the second target. */
function policed(
  policy: string,
  { group, quarantine = { faults: 100_000 }, metrics = false }: {
    readonly group?: ConfigTree;
    readonly quarantine?: ConfigTree;
    /** Whether the caller may read metrics. */
    readonly metrics?: boolean;
  } = {},
): ConfigOptions {
  const strategy = {
    strategy: "script",
    script: "policy.ts",
    base_strategy: "failover",
    // A busy machine must not make a harmless policy look slow.
    script_timeout_ms: 1_000,
  };
  return {
    upstreams: [],
    server: { policies: { quarantine } },
    providers: { echo: ECHO },
    group: { targets: TARGETS },
    models: { policed: { ...strategy, targets: TARGETS, ...group } },
    callers: [caller("ci", TOKEN, { allow: ["fast", "policed"], metrics_admin: metrics })],
    files: { "policy.ts": policy },
  };
}

type Reached = Pick<GatewayProcess, "url">;

const ask = ({ url }: Reached, body: ConfigTree = {}) =>
  call(url, "openai-chat", { body: { model: "policed", ...body } });

/** Asks until there is a process to decide: those before may all have just been killed. */
async function askHost(gateway: Reached, body: ConfigTree): Promise<Answer> {
  for (;;) {
    const answer = await ask(gateway, body);
    if (!answer.text.includes("policy-unavailable")) return answer;
  }
}

/** Asks until it ends as it may: a busy machine may stop what is harmless, but not each time. */
async function askCase(gateway: Reached, cap: number, ends: readonly string[]): Promise<Answer> {
  for (let round = 0;; round++) {
    const answer = await askHost(gateway, { max_tokens: cap });
    const fault = answer.status === 502 ? answer.json()["error"].details.fault : "";
    const isLate = ["policy-killed", "policy-timeout"].includes(fault) && !ends.includes(fault);
    if (!isLate || round === 20) return answer;
  }
}

const modelOf = async (gateway: Reached) => (await ask(gateway)).headers.get("x-router-model");

async function policyCheck({ url }: Reached): Promise<Loose> {
  const response = await fetch(`${url}/readyz`);
  assert.equal(response.status, 200);
  const { checks } = await response.json();
  return checks.find((check: Loose) => check["name"] === "policies");
}

for (const onError of ["fail_closed", "fallback"]) {
  Deno.test(`hostile policies end as on_error: ${onError} says, and harm nobody`, async () => {
    await using folder = await makeFolder(
      policed(HOSTILE_POLICY, { group: { on_error: onError, script_timeout_ms: 50 } }),
    );
    await using gateway = await spawnGateway(folder.dir);
    await askHost(gateway, {});
    await settledHosts(gateway.pid);
    const before = residentMb(gateway.pid);
    const failing = new Map<string, string>();
    for (const [cap, { name, ends }] of HOSTILE_BY_CAP) {
      const answer = await askCase(gateway, cap, ends);
      if (!ends.includes("plan")) failing.set(answer.id, name);
      if (onError === "fallback" || ends.includes("plan")) assert.equal(answer.status, 200, name);
      else {
        const { details } = assertError("openai-chat", answer, "routing-policy-error");
        assert(ends.includes(details["fault"]), `${name}: ${details["fault"]}`);
        assert.equal(details["group"], "policed");
        assert.match(details["policy"], /^[0-9a-f]{12}$/);
      }
      const other = await call(gateway.url, "openai-chat");
      assert.equal(other.status, 200, `the other group after ${name}`);
    }
    assert.equal(await modelOf(gateway), "echo", "the next decision is the policy's");
    await settledHosts(gateway.pid);
    await until(() => residentMb(gateway.pid) < before + 64);
    const failed = HOSTILE.filter(({ ends }) => !ends.includes("plan")).length;
    const rows = journalRows(folder.dir).filter((row) => row["resolved_group"] === "policed");
    const errors = rows.filter((row) => /^policy-/.test(row["error_class"]));
    const counted = errors.filter((row) => failing.has(row["request_id"]));
    assert.equal(counted.length, onError === "fallback" ? 0 : failed);
    assert(errors.every((row) => row["attempts"] === 0), "no provider was called");
    const runs = policyExecutions(folder.dir);
    for (const [id, name] of failing) {
      const [run, ...more] = runs.filter((row) => row["request_id"] === id);
      assert.equal(run?.["outcome"], onError === "fallback" ? "fallback" : "error", name);
      assert.match(run["error_class"], /^policy-/);
      assert.deepEqual(more, [], "one row holds the fault");
    }
  });
}

Deno.test("gateway says which fault a policy ended with, and for which call", async () => {
  await using folder = await makeFolder(policed("export const route = () => 1;"));
  await using gateway = await spawnGateway(folder.dir);
  const { id } = await ask(gateway);
  await gateway.said(
    new RegExp(
      `"event":"policy_fault".*"request_id":"${id}","group":"policed".*policy-output-invalid`,
    ),
  );
});

Deno.test("gateway says what is wrong with a plan, in the log and in the error", async () => {
  await using folder = await makeFolder(policed("export const route = () => ({ order: [0] });"));
  await using gateway = await spawnGateway(folder.dir);
  const problem = "it has neither `targetIndex` nor `target`";
  const { text } = await ask(gateway);
  assert(text.includes(`policy-plan-invalid: ${problem}`), text);
  await gateway.said(new RegExp(`"event":"policy_fault".*"problem":"${problem}"`));
});

Deno.test("policy that keeps failing is left alone, and /readyz says so", async () => {
  await using folder = await makeFolder(
    policed("export const route = () => 1;", { quarantine: { faults: 3 } }),
  );
  await using gateway = await spawnGateway(folder.dir);
  assert.deepEqual(await policyCheck(gateway), {
    name: "policies",
    ok: true,
    code: "ok",
    required: false,
  });
  const faults: string[] = [];
  for (let round = 0; round < 5; round++) {
    const answer = await ask(gateway);
    faults.push(assertError("openai-chat", answer, "routing-policy-error")["details"].fault);
  }
  const [invalid, quarantined] = ["policy-output-invalid", "policy-quarantined"];
  assert.deepEqual(faults, [invalid, invalid, invalid, quarantined, quarantined]);
  const { ok, code } = await policyCheck(gateway);
  assert.deepEqual([ok, code], [false, "quarantined"]);
  await gateway.said(/"event":"policy_quarantined".*"group":"policed"/);
});

Deno.test("policy in quarantine is seen in policy status and metrics, and resumed by hand", async () => {
  await using folder = await makeFolder(
    policed(FAILS_AT_7, { quarantine: { faults: 2 }, metrics: true }),
  );
  await using gateway = await spawnGateway(folder.dir);
  const config = ["--config", join(folder.dir, "config.yaml")];
  for (let round = 0; round < 3; round++) await ask(gateway, { max_tokens: 7 });
  const shown = await statusOf(config, ({ state }) => state === "quarantined");
  assert.match(shown["digest"], /^[0-9a-f]{64}$/);
  assert.deepEqual(shown["faults"], { "policy-threw": 2, "policy-quarantined": 1 });
  const before = await metricsOf(gateway);
  assert.equal(before('policy_quarantined{group="policed"}'), 1);
  assert.equal(before('policy_faults_total{group="policed",fault="policy-threw"}'), 2);
  assert.equal(
    before('policy_decisions_total{group="policed",kind="script",outcome="error"}'),
    3,
  );
  assert.equal(before('policy_duration_seconds_count{group="policed"}'), 3);
  assert.equal(before('policy_queue_depth{group="policed"}'), 0);
  assert.equal((await ask(gateway)).status, 502, "it is left alone");
  const resumed = await runPolicy(["resume", "policed", ...config]);
  assert.match(resumed.out, /^"policed" resumes in process \d+$/);
  await gateway.said(/"event":"policy_resumed".*"group":"policed"/);
  assert.equal(await modelOf(gateway), "echo");
  await statusOf(config, ({ state }) => state === "ok");
  assert.equal((await metricsOf(gateway))('policy_quarantined{group="policed"}'), 0);
  assert.equal((await runPolicy(["resume", "fast", ...config])).code, 2);
});

Deno.test("shadow in quarantine is seen and resumed by its own name, and tried as its group has it", async () => {
  const options = policed("export const route = () => { throw 1; };", {
    quarantine: { faults: 1 },
  });
  const group = { targets: TARGETS, shadow: { script: "policy.ts", sample_percent: 100 } };
  await using folder = await makeFolder({ ...options, models: { policed: group } });
  await using gateway = await spawnGateway(folder.dir);
  const config = ["--config", join(folder.dir, "config.yaml")];
  assert.equal((await ask(gateway)).status, 200);
  const { group: name } = await statusOf(config, ({ state }) => state === "quarantined");
  assert.equal(name, "policed shadow");
  assert.equal((await runPolicy(["resume", name, ...config])).code, 0);
  await gateway.said(/"event":"policy_resumed".*"group":"policed shadow"/);
  const file = join(folder.dir, "policy.ts");
  assert.equal((await runPolicy(["check", file, "--group", name, ...config])).code, 3);
});

const FAILS_AT_7 = `export function route(ctx: any) {
  if (ctx.features.outputCap === 7) throw new Error("seven");
  return { targetIndex: 1, fallbackIndexes: [] };
}`;

/** What `policy status` shows of the one policy, once it is so. */
async function statusOf(
  config: readonly string[],
  holds: (standing: Loose) => boolean,
): Promise<Loose> {
  let found: Loose | undefined;
  await until(async () => {
    const { code, out } = await runPolicy(["status", "--json", ...config]);
    assert.equal(code, 0);
    found = JSON.parse(out)[0]?.standings.find(holds);
    return found !== undefined;
  });
  return found!;
}

/** Values of series, by their names without the prefix. */
async function metricsOf({ url }: Reached): Promise<(series: string) => number | undefined> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const text = await (await fetch(`${url}/metrics`, { headers })).text();
  return (series) => {
    const line = text.split("\n").find((line) => line.startsWith(`pointsman_${series} `));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  };
}

Deno.test("policy that is no function of its context shows in metrics", async () => {
  const counting = `let n = 0;
export const route = () => ({ targetIndex: 1, metadata: { n: n++ } });`;
  await using folder = await makeFolder(policed(counting, { metrics: true }));
  await using gateway = await spawnGateway(folder.dir);
  const counted = async () =>
    (await metricsOf(gateway))('policy_nondeterminism_total{group="policed"}') ?? 0;
  // One decision in 200 is made twice, in each of the processes.
  while (await counted() === 0) {
    await Promise.all(Array.from({ length: 16 }, () => ask(gateway)));
  }
  await gateway.said(/"event":"policy_nondeterminism".*"group":"policed"/);
});

Deno.test("policy that is mended is asked again at once", async () => {
  await using folder = await makeFolder(
    policed("export const route = () => 1;", { quarantine: { faults: 1 } }),
  );
  await using gateway = await spawnGateway(folder.dir);
  await ask(gateway);
  assert.equal((await policyCheck(gateway))["code"], "quarantined");
  Deno.writeTextFileSync(join(folder.dir, "policy.ts"), choosing("mended"));
  await until(async () => (await policyCheck(gateway))["code"] === "ok");
  assert.equal(await modelOf(gateway), "echo");
});

Deno.test("policy that is edited under load fails no call, and a broken edit changes nothing", async () => {
  await using folder = await makeFolder(policed(choosing("first")));
  await using gateway = await spawnGateway(folder.dir);
  await ask(gateway);
  let stop = false;
  const load = (async () => {
    for (let sent = 0; !stop; sent++) {
      assert.equal(await modelOf(gateway), "echo", `call ${sent}`);
      await wait(2);
    }
  })();
  const edit = async (text: string, said: RegExp) => {
    Deno.writeTextFileSync(join(folder.dir, "policy.ts"), text);
    await gateway.said(said);
  };
  await edit(choosing("second"), /("policy_loaded"[^]*){2}/);
  const refused = (place: string) =>
    new RegExp(`"policy_refused","msg":"[^"]*policy\\.ts:${place}`);
  await edit("export function route() {\n  return {;\n}\n", refused("2:11: .*Expected identifier"));
  await edit('export const route = 1;\nthrow new Error("top");', refused("2:7: .*Error: top"));
  await edit("for (;;);\nexport const route = 1;", /policy\.ts.*top level does not end/);
  await edit("export const other = 1;", /policy\.ts.*no function \\"route\\"/);
  await edit(
    'import { x } from "./nowhere.ts";\nexport const route = x;',
    refused("1:19: .*nowhere"),
  );
  stop = true;
  await load;
  await ask(gateway);
  const labels = new Set(journalRows(folder.dir).map((row) => row["class_label"]));
  assert.deepEqual([...labels].sort(), ["first", "second"]);
  await settledHosts(gateway.pid);
});

Deno.test("gateway does not start with a policy that is broken, and names the place", async () => {
  await using folder = await makeFolder(policed("export function route() {\n  return {;\n}\n"));
  const { code, output } = await runServe(folder.dir);
  assert.equal(code, 1);
  assert.match(output, /policy\.ts:2:11: models\.policed\.script: Expected identifier/);
});

Deno.test("config validate loads every policy", async () => {
  await using folder = await makeFolder(policed("for (;;);\nexport const route = 1;"));
  const { code, output } = await runServe(folder.dir, ["config", "validate"]);
  assert.equal(code, 1);
  assert.match(output, /policy\.ts:1:1: models\.policed\.script: the top level does not end/);
  assert.match(output, /1 error, 0 warnings/);
});

Deno.test("configuration with a broken policy is refused as a whole", async () => {
  const options = policed(choosing("first"));
  await using folder = await makeFolder(options);
  await using gateway = await spawnGateway(folder.dir);
  Deno.writeTextFileSync(join(folder.dir, "broken.ts"), "export const route = ;");
  const models = {
    policed: { ...(options.models?.["policed"] as ConfigTree), script: "broken.ts" },
  };
  writeConfig(folder.dir, testConfig({ ...options, models, group: { targets: [TARGETS[1]!] } }));
  await gateway.said(/"config_rejected".*broken\.ts:1:22/);
  const answer = await call(gateway.url, "openai-chat");
  assert.equal(answer.headers.get("x-router-model"), "echo-reasoning", "the old targets serve");
  assert.equal(await modelOf(gateway), "echo");
});

Deno.test("hosts that are killed or stopped from outside cost no call but the one they decided", async () => {
  await using folder = await makeFolder(
    policed(choosing("x"), { group: { on_error: "fallback" } }),
  );
  await using gateway = await spawnGateway(folder.dir);
  await settledHosts(gateway.pid);
  for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
    const hit = hostsOf(gateway.pid);
    for (const pid of hit) Deno.kill(pid, signal);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(gateway)));
    assert(answers.every(({ status }) => status === 200));
    await until(async () => await modelOf(gateway) === "echo");
    if (signal === "SIGKILL") await settledHosts(gateway.pid);
    // The spare was stopped, too, and nobody asked it anything: it could not even end by itself.
    for (const pid of hit.filter(isRunning)) Deno.kill(pid, "SIGKILL");
  }
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`gateway that ends by ${signal} leaves no policy host behind`, async () => {
    await using folder = await makeFolder(policed("export const route = () => { for (;;); };"));
    await using gateway = await spawnGateway(folder.dir);
    await settledHosts(gateway.pid);
    const hosts = hostsOf(gateway.pid);
    void ask(gateway).catch(() => {});
    gateway.kill(signal);
    assert.equal(await gateway.ended, signal === "SIGTERM" ? 0 : 137);
    await until(() => !hosts.some(isRunning));
    assert.doesNotMatch(gateway.output(), /drain_finished[^]*policy_host_ended/);
  });
}

Deno.test("policy asks a server that its group grants, and its headers stay out of everything", async () => {
  await using server = await startUpstream(reply({ best: 0 }));
  const code = `
  declare const router: import("@pointsman/sdk").Router;
  export async function route(): Promise<unknown> {
    const { body } = await router.fetchJSON("${server.url}/rank");
    return { targetIndex: (body as { best: number }).best, fallbackIndexes: [] };
  }`;
  const group = {
    script_permissions: { net: [new URL(server.url).host] },
    script_http: { timeout_ms: 5_000, headers: { authorization: "Bearer hidden-canary" } },
  };
  await using folder = await makeFolder(policed(code, { group }));
  await using gateway = await spawnGateway(folder.dir);
  assert.equal(await modelOf(gateway), "echo-reasoning");
  assert.equal(server.requests[0]?.headers.get("authorization"), "Bearer hidden-canary");
  server.script(reply({ best: 1 }));
  assert.equal(await modelOf(gateway), "echo");
  assert.doesNotMatch(gateway.output(), /hidden-canary/);
  assert.doesNotMatch(JSON.stringify(journalRows(folder.dir)), /hidden-canary/);
});
