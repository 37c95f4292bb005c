import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import { createBundler } from "@/policies/sandbox/bundler.ts";
import type { RecordFilter } from "@/core/decision_store.ts";
import type { Candidate } from "@/policies/replay/job_messages.ts";
import { replayJson } from "@/policies/replay/report.ts";
import { replayText } from "@/policies/replay/report_text.ts";
import { runReplay } from "@/policies/replay/run_replay.ts";
import { createDecisionArchive } from "@/storage/decision_archive.ts";
import {
  contextOf,
  recorded,
  shipRecorded,
  staticsOf,
  type TestCall,
  testCall,
} from "./replay_calls.ts";
import { onEachDriver } from "./storage_drivers.ts";
import { makePlace, type Place, requestId } from "./storage_fixture.ts";
import { openDecisionStore } from "./uneven_pages.ts";

const ALL = { group: null, since: 0, until: Number.MAX_SAFE_INTEGER };

const archive = createDecisionArchive({
  settingsOf: () => {
    throw new Error("Cannot find settings");
  },
});

function replay(
  place: Place,
  candidate: Candidate | null,
  jobs = 1,
  filter: RecordFilter = ALL,
) {
  const { driver, path, dsn } = place.usageDb;
  return runReplay({
    archive,
    place: { driver, path, dsn },
    strategies: import.meta.resolve("@/strategies/mod.ts"),
    filter,
    candidate,
    jobs,
    limit: null,
    onProgress() {},
  });
}

function calls(count: number, make: (n: number) => TestCall): TestCall[] {
  return Array.from({ length: count }, (_, n) => make(n + 1));
}

onEachDriver(
  "replay with what decided changes nothing, and its totals are those of SQL",
  async (place) => {
    const made = calls(300, (n) => testCall(n, "dynamic_score"));
    const statics = staticsOf("dynamic_score");
    await using database = await shipRecorded(place, { calls: made, statics });
    const { verdicts, account } = await replay(place, { kind: "stored" }, 2);
    assert.equal(verdicts.identical, 300);
    const [sum] = await database.db.query(
      `SELECT CAST(sum(input_cost_nusd) AS bigint) AS input,
      CAST(sum(cached_input_cost_nusd) AS bigint) AS cached_input,
      CAST(sum(output_cost_nusd) AS bigint) AS output FROM request_usage`,
    );
    const { served, candidate } = account.total;
    assert.deepEqual(candidate, served);
    assert.deepEqual({ ...served.nusd }, { ...sum, cache_write: 0n, image: 0n });
    assert.equal(account.slower.p95, 0);
  },
);

onEachDriver("replay gives the same bytes twice, and with any number of jobs", async (place) => {
  const made = calls(400, (n) => testCall(n, "weighted"));
  await using _ = await shipRecorded(place, { calls: made, statics: staticsOf("weighted") });
  const reports = await Promise.all([1, 1, 2].map(async (jobs) => {
    const made = await replay(place, { kind: "strategy", strategy: "cost" }, jobs);
    return replayJson(made, { filter: ALL, candidate: "cost" });
  }));
  assert.equal(new Set(reports).size, 1);
  const { total, targets } = JSON.parse(reports[0]!);
  assert(total.delta.total < 0, "the cheapest targets cost less");
  const count = (side: "served" | "candidate") =>
    targets.reduce((sum: number, row: Record<string, number>) => sum + row[side]!, 0);
  assert.deepEqual([count("served"), count("candidate")], [400, 400]);
});

Deno.test("replay adds up pages in their order, whichever is done first", async () => {
  const { damaged } = await runReplay({
    archive: {
      ...archive,
      open: openDecisionStore,
      module: import.meta.resolve("./uneven_pages.ts"),
    },
    place: 6,
    strategies: import.meta.resolve("@/strategies/mod.ts"),
    filter: ALL,
    candidate: null,
    jobs: 1,
    limit: null,
    onProgress() {},
  });
  assert.deepEqual(damaged, ["req_1", "req_2", "req_3", "req_4", "req_5", "req_6"]);
});

for (const column of ["context_z", "plan_json", "context_sha256"]) {
  onEachDriver(`replay finds a flipped byte in ${column}`, async (place) => {
    const made = calls(20, (n) => testCall(n, "failover"));
    await using database = await shipRecorded(place, {
      calls: made,
      statics: staticsOf("failover"),
    });
    const [row] = await database.db.query(
      `SELECT ${column} AS text FROM request_decision_records WHERE request_id = $1`,
      requestId(7),
    );
    const text = String(row!.text);
    const at = text.length >> 1;
    const flipped = text.slice(0, at) + (text[at] === "0" ? "1" : "0") + text.slice(at + 1);
    await database.db.query(
      `UPDATE request_decision_records SET ${column} = $1 WHERE request_id = $2`,
      flipped,
      requestId(7),
    );
    const { verdicts } = await replay(place, null);
    assert.deepEqual([verdicts.identical, verdicts.corrupt], [19, 1]);
  });
}

onEachDriver(
  "replay skips what is no context, though its hash is right, and names it",
  async (place) => {
    const made = calls(20, (n) => testCall(n, "cost"));
    await using database = await shipRecorded(place, { calls: made, statics: staticsOf("cost") });
    const whole = contextOf(5);
    const wrong = [
      "no JSON",
      "null",
      "{}",
      JSON.stringify({ ...whole, targets: [] }),
      JSON.stringify({ ...whole, targets: [{ groupIndex: 0, validation: null, signals: {} }] }),
      JSON.stringify({ ...whole, features: { ...whole.features, estimatedInputTokens: "many" } }),
      JSON.stringify({ ...whole, budget: null }),
    ];
    for (const [at, json] of wrong.entries()) {
      await database.db.query(
        `UPDATE request_decision_records SET context_z = $1, context_sha256 = $2
        WHERE request_id = $3`,
        deflateRawSync(json).toString("base64"),
        hash("sha256", json, "hex"),
        requestId(5 + at),
      );
    }
    const again = await replay(place, { kind: "strategy", strategy: "latency" }, 2);
    const { verdicts, damaged, account } = again;
    assert.deepEqual([verdicts.identical, verdicts.corrupt], [20 - wrong.length, wrong.length]);
    assert.deepEqual(damaged, wrong.map((_, at) => requestId(5 + at)));
    assert.equal(account.calls, 20 - wrong.length);
    assert.match(replayText(again, [], true), new RegExp(`^ {2}${requestId(5)} {2}damaged$`, "m"));
  },
);

Deno.test("replay tells decisions of another engine, of other servers and with content apart", async () => {
  using place = makePlace();
  const other = (n: number, row: Readonly<Record<string, string>>) =>
    recorded(n, contextOf(n), { targetIndex: 0, fallbackIndexes: [] }, row);
  const digest = "d".repeat(64);
  const external = other(3, {});
  const [decision] = external.decision.rows["request_routing_decisions"]!;
  const rows = {
    ...external.decision.rows,
    request_routing_decisions: [{ ...decision, policy_kind: "external" }],
  };
  const made = [
    testCall(1, "failover"),
    other(2, { engine: "deno/1.0.0 v8/1", plan_json: '{"targetIndex":9}' }),
    { ...external, decision: { ...external.decision, rows } },
    other(4, { policy_digest: digest, content_sha256: "c".repeat(64) }),
    other(5, { policy_digest: "e".repeat(64) }),
    other(6, { config_fingerprint: "unknown" }),
    other(7, { policy_digest: "b".repeat(64) }),
  ];
  const bundle = {
    policy_digest: "b".repeat(64),
    name: "broken",
    manifest_json: "no JSON",
    bundle_z: "",
  };
  const [second] = made[1]!.decision.rows["request_routing_decisions"]!;
  const changed = { ...second, plan_sha256: null };
  made[1] = {
    ...made[1]!,
    decision: {
      ...made[1]!.decision,
      rows: { ...made[1]!.decision.rows, request_routing_decisions: [changed] },
    },
  };
  const statics = staticsOf("failover");
  await using _ = await shipRecorded(place, { calls: made, statics, bundle });
  const { verdicts } = await replay(place, null);
  assert.deepEqual(verdicts, {
    identical: 1,
    different: 0,
    engineChanged: 1,
    remote: 1,
    needsContent: 1,
    corrupt: 0,
    missing: 3,
  });
});

Deno.test("replay lists decisions that are not the same when they are made again", async () => {
  using place = makePlace();
  const made = calls(
    30,
    (n) => recorded(n, contextOf(n), { targetIndex: 0, fallbackIndexes: [], classLabel: "other" }),
  );
  await using _ = await shipRecorded(place, { calls: made, statics: staticsOf("static") });
  const { verdicts, differences } = await replay(place, null);
  assert.deepEqual([verdicts.different, differences.length], [30, 20]);
  assert.equal(differences[0]!.requestId, requestId(1));
});

const POLICY = `import { expectedCostNusd, planOf, type RouteContext } from "@pointsman/sdk";
export function route(context: RouteContext) {
  const cost = (index: number) => expectedCostNusd(context, context.targets[index]!) ?? Infinity;
  return planOf(context.targets.toSorted((a, b) => cost(a.index) - cost(b.index)));
}`;
const FAILING = `export function route(context) {
  if (context.seed % 2 === 0) throw new Error("even");
  return { targetIndex: 0 };
}`;

async function codeOf(source: string): Promise<string> {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    await Deno.writeTextFile(`${dir}/policy.ts`, source);
    using bundler = createBundler();
    const result = await bundler.bundle(`${dir}/policy.ts`, dir);
    assert(result.ok, JSON.stringify(result));
    return result.bundle.code;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

onEachDriver(
  "replay decides by scripts in the sandbox: the stored one again, and a candidate",
  async (place) => {
    const code = await codeOf(POLICY);
    const digest = hash("sha256", code, "hex");
    const bundle = {
      policy_digest: digest,
      name: "cheapest",
      manifest_json: "{}",
      bundle_z: deflateRawSync(Buffer.from(code)).toString("base64"),
    };
    const made = calls(600, (n) => {
      const given = contextOf(n);
      const cheap = given.targets.map(({ index }) => index);
      return recorded(n, given, { targetIndex: cheap[0]!, fallbackIndexes: cheap.slice(1) }, {
        policy_digest: digest,
      });
    });
    await using _ = await shipRecorded(place, {
      calls: made,
      statics: staticsOf("weighted"),
      bundle,
    });
    const { verdicts, account } = await replay(place, { kind: "script", code }, 2);
    assert.equal(verdicts.identical + verdicts.different, 600);
    assert(verdicts.identical > 100, "targets are from cheap to dear");
    const faulty = await replay(place, { kind: "script", code: await codeOf(FAILING) });
    const even = made.filter((_, index) => contextOf(index + 1).seed % 2 === 0).length;
    assert.equal(faulty.account.faults, even);
    assert.equal(account.faults, 0);
    assert.match(replayText(faulty, ["class"], true), new RegExp(`^faults ${even} `, "m"));
  },
);

Deno.test("replay of a window and a group leaves the others out", async () => {
  using place = makePlace();
  const made = calls(50, (n) => testCall(n, "failover"));
  await using _ = await shipRecorded(place, { calls: made, statics: staticsOf("failover") });
  const first = made[9]!.decision.ts;
  const window = { group: null, since: first, until: first + 5 };
  assert.equal((await replay(place, null, 1, window)).records, 5);
  const nobody = await replay(place, null, 1, { ...ALL, group: "nobody" });
  assert.equal(nobody.records, 0);
});
