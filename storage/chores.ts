import { DAY_MS } from "../core/period.ts";
import type { RetentionSettings, RollupSettings } from "../core/snapshot.ts";
import type { Lockable } from "./database.ts";
import { RollupError, type RollupOptions, runRollups } from "./rollups/run_rollup.ts";
import { ROLLUP_TYPES, type RollupType, type RollupWindow, windowAt } from "./rollups/window.ts";
import { runRetention } from "./retention/run_retention.ts";

/** What is done by the clock. */
export interface ChoreOptions {
  readonly rollups: RollupSettings;
  readonly retention: RetentionSettings;
  /** Recorded with rollups. */
  readonly routerVersion: string;
}

const MINUTE_MS = 60_000;

/** How long after a window its draft is made: time for its calls to end and to be shipped. */
const DELAYS_MS: Readonly<Record<RollupType, number>> = {
  hourly: 10 * MINUTE_MS,
  daily: 30 * MINUTE_MS,
  monthly: 60 * MINUTE_MS,
};

/** Windows rolled up, and made final, per turn and type: shipping waits meanwhile. */
const MAX_WINDOWS = 24;
const ACTOR = "schedule";

/**
 * Does what is due at a moment (epoch ms): drafts of the windows that ended, final ones of old drafts,
 * adjustments for calls that came late, and the daily run of retention. What was done is in the database,
 * so that a restart repeats nothing.
 *
 * @throws what the database says
 */
export async function doChores(
  db: Lockable,
  { rollups, retention, routerVersion }: ChoreOptions,
  now: number,
): Promise<void> {
  const options = { force: false, now, routerVersion, actor: ACTOR };
  if (rollups.auto) await draft(db, { ...options, finalize: false });
  if (rollups.finalizeAfterDays > 0) {
    const before = now - rollups.finalizeAfterDays * DAY_MS;
    await finalize(db, before, { ...options, finalize: true });
  }
  if (retention.enabled && await isRetentionDue(db, retention, now)) {
    const run = { settings: retention, dataClass: null, batches: null, now, requestedBy: ACTOR };
    await runRetention(db, run);
  }
}

async function draft(db: Lockable, options: RollupOptions): Promise<void> {
  for (const type of ROLLUP_TYPES) {
    const current = windowAt(type, options.now - DELAYS_MS[type]);
    const windows = await windowsTo(db, windowAt(type, current.start - 1));
    if (windows.length > 0 && type === "daily") await adjust(db, options);
    for (const window of windows) await rollUp(db, window, options);
  }
}

/** From the last window that was rolled up to one that is due: nobody was there for those between. */
async function windowsTo(db: Lockable, due: RollupWindow): Promise<RollupWindow[]> {
  const [row] = await db.query(
    `SELECT max(window_start) AS latest FROM usage_rollup_runs
      WHERE rollup_type = $1 AND window_start <= $2`,
    due.type,
    due.start,
  );
  const latest = row?.latest ?? null;
  const first = latest === null ? due : windowAt(due.type, windowAt(due.type, Number(latest)).end);
  const found: RollupWindow[] = [];
  for (let window = first; window.start <= due.start; window = windowAt(due.type, window.end)) {
    if (found.push(window) === MAX_WINDOWS) break;
  }
  return found;
}

/** Once a day: windows of calls that were loaded more than a day late, since two days ago. */
async function adjust(db: Lockable, options: RollupOptions): Promise<void> {
  const rows = await db.query(
    `SELECT DISTINCT rollup_type, window_start FROM usage_rollup_runs AS r
      JOIN (SELECT DISTINCT ts - ts % 3600000 AS hour FROM request_usage
        WHERE ingested_at > $1 AND ingested_at - ts > ${DAY_MS}) AS late
      ON r.window_start <= late.hour AND r.window_end > late.hour`,
    options.now - 2 * DAY_MS,
  );
  for (const type of ROLLUP_TYPES) {
    for (const { window_start } of rows.filter(({ rollup_type }) => rollup_type === type)) {
      await rollUp(db, windowAt(type, Number(window_start)), options);
    }
  }
}

async function finalize(db: Lockable, before: number, options: RollupOptions): Promise<void> {
  for (const type of ROLLUP_TYPES) {
    const drafts = await db.query(
      `SELECT window_start FROM usage_rollup_runs WHERE rollup_type = $1 AND status = 'draft'
        AND window_end <= $2 ORDER BY window_start LIMIT ${MAX_WINDOWS}`,
      type,
      before,
    );
    for (const { window_start } of drafts) {
      await rollUp(db, windowAt(type, Number(window_start)), options);
    }
  }
}

/** A window that is final, or cannot be yet, is none of today's business. */
async function rollUp(
  db: Lockable,
  window: RollupWindow,
  options: RollupOptions,
): Promise<void> {
  try {
    await runRollups(db, [window], options);
  } catch (error) {
    if (!(error instanceof RollupError)) throw error;
  }
}

async function isRetentionDue(
  db: Lockable,
  { runAtMinute }: RetentionSettings,
  now: number,
): Promise<boolean> {
  if (runAtMinute === null) return false;
  const due = now - now % DAY_MS + runAtMinute * MINUTE_MS;
  if (now < due) return false;
  const done = await db.query(
    "SELECT 1 AS one FROM retention_jobs WHERE requested_by = $1 AND started_at >= $2 LIMIT 1",
    ACTOR,
    due,
  );
  return done.length === 0;
}
