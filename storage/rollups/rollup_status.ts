import type { Queries } from "../database.ts";
import { ROLLUP_TYPES, type RollupType } from "./window.ts";

/** How the runs of a type stand; times in epoch ms. */
export interface RollupStatus {
  readonly type: RollupType;
  readonly drafts: number;
  readonly finalized: number;
  readonly adjustments: number;
  /** The first and last bounds of all windows; `null` without any. */
  readonly from: number | null;
  readonly to: number | null;
  /** Every window from the first to here is final. */
  readonly finalTo: number | null;
}

/** Reads how the runs of each type stand. */
export async function rollupStatus(db: Queries): Promise<RollupStatus[]> {
  const rows = await db.query(
    `SELECT rollup_type, status, adjusts_run_id, window_start, window_end
      FROM usage_rollup_runs ORDER BY window_start`,
  );
  return ROLLUP_TYPES.map((type) => {
    const runs = rows.filter(({ rollup_type }) => rollup_type === type);
    const windows = runs.filter(({ adjusts_run_id }) => adjusts_run_id === null);
    const final = windows.filter(({ status }) => status === "finalized");
    const bound = (place: number, name: string) =>
      windows.length === 0 ? null : Number(windows.at(place)?.[name]);
    let finalTo = final.length > 0 ? Number(final[0]?.window_start) : null;
    for (const { window_start, window_end } of final) {
      if (Number(window_start) === finalTo) finalTo = Number(window_end);
    }
    return {
      type,
      drafts: windows.length - final.length,
      finalized: final.length,
      adjustments: runs.length - windows.length,
      from: bound(0, "window_start"),
      to: bound(-1, "window_end"),
      finalTo,
    };
  });
}
