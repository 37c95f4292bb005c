import type { Calibration, CalibrationStore, TargetCalibration } from "../core/calibration.ts";
import type { Log } from "../core/log.ts";
import { within } from "../core/wait.ts";
import { whenUnlocked } from "./ledger_kv.ts";
import { stateFault } from "./state_fault.ts";

/** What was learned is written this often, ms. */
const SAVE_MS = 30_000;
/** Longest wait for the last write when the gateway ends, ms. */
const CLOSE_MS = 2_000;
/** Targets of one commit. */
const BATCH = 100;
const TARGETS = ["calibration"];

/**
 * Keeps what is known of the tokenizers of targets in Deno KV. Of several processes the last to write
 * wins: all learn the same.
 *
 * @throws {Error} when the database cannot be read
 */
export async function openCalibrationKv(
  kv: Deno.Kv,
  { calibration, log }: { readonly calibration: Calibration; readonly log: Log },
): Promise<CalibrationStore> {
  for await (const { key, value } of kv.list<TargetCalibration>({ prefix: TARGETS })) {
    calibration.restore(String(key.at(-1)), value);
  }
  const timer = setInterval(() => void save(), SAVE_MS);
  Deno.unrefTimer(timer);

  async function save(): Promise<void> {
    const changed = [...calibration.takeChanged()];
    for (let from = 0; from < changed.length; from += BATCH) {
      const batch = changed.slice(from, from + BATCH);
      const commit = kv.atomic();
      for (const [key, known] of batch) commit.set([...TARGETS, key], known);
      try {
        await whenUnlocked(() => commit.commit());
      } catch (error) {
        calibration.giveBack(batch.map(([key]) => key));
        const words = "Cannot keep what is known of tokenizers";
        log.write("warn", "calibration_failed", words, { reason: stateFault(error) });
      }
    }
  }

  return {
    async close() {
      clearInterval(timer);
      await within(save(), CLOSE_MS);
    },
  };
}
