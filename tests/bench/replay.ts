import { join } from "node:path";
import process from "node:process";
import type { Candidate } from "@/policies/replay/job_messages.ts";
import { runReplay } from "@/policies/replay/run_replay.ts";
import { packContext, packStatics } from "@/core/telemetry/context_record.ts";
import { createBundler } from "@/policies/sandbox/bundler.ts";
import type { UsageDatabase } from "@/storage/database.ts";
import { createDecisionArchive } from "@/storage/decision_archive.ts";
import { migrate } from "@/storage/migrate.ts";
import { migrations } from "@/storage/migrations/mod.ts";
import { openDatabase } from "@/storage/open_database.ts";
import { contextOf, FINGERPRINT, GROUP, staticsOf, testCall } from "../replay_calls.ts";
import { requestId } from "../storage_fixture.ts";

const POLICY = `import { expectedCostNusd, planOf, type RouteContext } from "@pointsman/sdk";
export function route(context: RouteContext) {
  const cost = (index: number) => expectedCostNusd(context, context.targets[index]!) ?? Infinity;
  return planOf(context.targets.toSorted((a, b) => cost(a.index) - cost(b.index)));
}`;

/** Calls that differ; the others are these under another id. */
const SHAPES = 500;
const BATCH = 5_000;
const STRATEGY = "dynamic_score";

const columns = {
  request_usage: [
    "request_id",
    "ts",
    "status",
    "caller_id",
    "resolved_group",
    "target_index",
    "latency_ms",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "input_cost_nusd",
    "cached_input_cost_nusd",
    "cache_write_cost_nusd",
    "output_cost_nusd",
    "image_cost_nusd",
    "total_cost_nusd",
  ],
  request_decision_records: [
    "request_id",
    "ts",
    "group_name",
    "contract_version",
    "config_fingerprint",
    "engine",
    "seed",
    "context_z",
    "context_bytes",
    "context_sha256",
    "plan_json",
  ],
  request_routing_decisions: ["request_id", "ts", "group_name", "seed", "plan_sha256", "recorded"],
};

/** Fills a database with recorded calls, one a millisecond. */
async function fill(db: UsageDatabase, count: number): Promise<void> {
  const shapes = Array.from({ length: SHAPES }, (_, n) => ({
    context: contextOf(n + 1),
    made: testCall(n + 1, STRATEGY),
  }));
  await db.insert("route_config_snapshots", [{
    columns: ["config_fingerprint", "group_name", "static_z"],
    values: [FINGERPRINT, GROUP, packStatics(staticsOf(STRATEGY))],
  }]);
  for (let first = 1; first <= count; first += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, count - first + 1) }, (_, index) => {
      const n = first + index;
      const { context, made } = shapes[n % SHAPES]!;
      const ids = { request_id: requestId(n), ts: n };
      const { z, bytes, sha256 } = packContext({ ...context, requestId: ids.request_id });
      const { rows } = made.decision;
      return {
        request_usage: { ...made.call.usage, ...ids },
        request_decision_records: {
          ...rows["request_decision_records"]![0],
          ...ids,
          context_z: z,
          context_bytes: bytes,
          context_sha256: sha256,
        },
        request_routing_decisions: { ...rows["request_routing_decisions"]![0], ...ids },
      };
    });
    await db.transaction(async (queries) => {
      for (const [table, names] of Object.entries(columns)) {
        await queries.insert(
          table,
          rows.map((row) => {
            const values: Readonly<Record<string, unknown>> = row[table as keyof typeof columns];
            return {
              columns: names,
              values: names.map((name) => values[name] as string | number ?? null),
            };
          }),
        );
      }
    });
  }
}

/** Of all threads of this process. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Most memory this process ever held, MiB. */
function peakMb(): number {
  const [, kb] = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status")) ?? [];
  return Number(kb) / 1_024;
}

async function policyCode(dir: string): Promise<string> {
  await Deno.writeTextFile(join(dir, "policy.ts"), POLICY);
  using bundler = createBundler();
  const result = await bundler.bundle(join(dir, "policy.ts"), dir);
  if (!result.ok) throw new Error(JSON.stringify(result.flaws));
  return result.bundle.code;
}

async function measure(path: string, name: string, candidate: Candidate | null): Promise<void> {
  const archive = createDecisionArchive({
    settingsOf: () => {
      throw new Error("Cannot find settings");
    },
  });
  const started = performance.now();
  const before = cpuSeconds();
  const { records, verdicts, account } = await runReplay({
    archive,
    place: { driver: "sqlite", path, dsn: null },
    strategies: import.meta.resolve("@/strategies/mod.ts"),
    filter: { group: null, since: 0, until: Number.MAX_SAFE_INTEGER },
    candidate,
    jobs: navigator.hardwareConcurrency,
    limit: null,
    onProgress() {},
  });
  const seconds = (performance.now() - started) / 1_000;
  console.log(
    `replay, ${name}  ${records} records in ${seconds.toFixed(1)} s  ` +
      `${((cpuSeconds() - before) * 1e6 / records).toFixed(1)} us of CPU each  ` +
      `${verdicts.identical} identical  ${account.faults} faults  peak ${peakMb().toFixed(0)} MiB`,
  );
}

if (import.meta.main) {
  const count = Number(Deno.args[0] ?? 1_000_000);
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "pointsman-bench-" }));
  const path = join(dir, "usage.sqlite");
  try {
    const db = await openDatabase({ driver: "sqlite", path, dsn: null }, "write");
    await migrate(db, { migrations, routerVersion: "bench", now: Date.now });
    const started = performance.now();
    await fill(db, count);
    await db[Symbol.asyncDispose]();
    console.log(`${count} records made in ${((performance.now() - started) / 1_000).toFixed(0)} s`);
    await measure(path, "proof alone", null);
    await measure(path, "built-in candidate", { kind: "strategy", strategy: "cost" });
    await measure(path, "script candidate", { kind: "script", code: await policyCode(dir) });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
