import type { Call, Settlement } from "@/core/call.ts";
import { declareCallerFamilies } from "./families.ts";
import type { Exposition } from "./exposition.ts";
import { OTHER } from "./series.ts";

/** Callers that have series of their own. */
const MAX_CALLERS = 200;

/** Counts per caller. */
export interface CallerCounter {
  count(call: Call, settlement: Settlement): void;
  /** Lets the busiest have the series of their own; the others go on in `other`. */
  choose(): void;
}

/**
 * Counts the busiest callers one by one and the rest together. A caller that becomes one of them
 * starts at 0, so that no series ever falls but by going away.
 */
export function callerCounter(exposition: Exposition, max = MAX_CALLERS): CallerCounter {
  const families = declareCallerFamilies(exposition);
  const all = Object.values(families);
  const calls = new Map<string, number>();
  let chosen: ReadonlySet<string> = new Set();
  return {
    count({ credential }, { usage, cost }) {
      const { id } = credential.caller;
      const before = calls.get(id);
      calls.set(id, (before ?? 0) + 1);
      if (before === undefined && chosen.size < max) chosen = new Set([...chosen, id]);
      const caller = chosen.has(id) ? id : OTHER;
      families.requests.at(caller).value += 1;
      families.tokens.at(caller).value += usage.input + usage.output;
      families.cost.at(caller).value += Number(cost?.total ?? 0n);
    },
    choose() {
      if (calls.size <= max) return;
      const busiest = [...calls].toSorted(([, a], [, b]) => b - a).slice(0, max);
      const next = new Set(busiest.map(([id]) => id));
      for (const id of chosen) {
        if (next.has(id)) continue;
        for (const family of all) family.drop(id);
      }
      chosen = next;
    },
  };
}
