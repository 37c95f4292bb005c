import type { RetentionSettings } from "../../core/snapshot.ts";
import type { DatabasePlace } from "../../storage/database.ts";
import { openDatabase } from "../../storage/open_database.ts";
import { createHold } from "../../storage/retention/holds.ts";
import { runRetention } from "../../storage/retention/run_retention.ts";

const HELD = "project-3";

const DAY_MS = 86_400_000;

/** Deletes all calls of a database but those on hold and of today, and tells what that took. */
export async function measurePurge(place: DatabasePlace, now: number): Promise<void> {
  await using db = await openDatabase(place, "write");
  await createHold(db, HOLD, now);
  const count = async (where: string) =>
    Number((await db.query(`${OLD} AND ${where}`, now - DAY_MS))[0]?.n);
  const keep = await count(`caller_project = '${HELD}'`);
  const rss = Deno.memoryUsage().rss;
  const began = performance.now();
  await runRetention(db, {
    settings: SETTINGS,
    dataClass: null,
    batches: null,
    now,
    requestedBy: "bench",
  });
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  const grown = Math.round((Deno.memoryUsage().rss - rss) / 2 ** 20);
  const left = [
    await count(`caller_project = '${HELD}'`),
    await count(`caller_project <> '${HELD}'`),
  ];
  const verdict = left[0] === keep && left[1] === 0 ? "ok" : "WRONG";
  console.log(
    `  purge ${seconds} s, memory ${grown} MiB more, ${left[0]} held and kept  ${verdict}`,
  );
}

const OLD = "SELECT count(*) AS n FROM request_usage WHERE ts < $1";

const SETTINGS: RetentionSettings = {
  enabled: true,
  dryRun: false,
  runAtMinute: null,
  rules: [{
    dataClass: "usage_detail",
    enabled: true,
    days: 1,
    batchSize: 500,
    requireFinalizedRollup: false,
  }],
};

const HOLD = {
  dataClass: "usage_detail",
  project: HELD,
  environment: "prod",
  requestId: "",
  from: null,
  to: null,
  reason: "bench",
  actor: "bench",
} as const;
