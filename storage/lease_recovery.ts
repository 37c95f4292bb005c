import { type Charge, chargedUnits } from "../core/limits/charge.ts";
import { isRolling } from "../core/limits/lease_book.ts";
import type { LeaseEntry, LeaseWindow } from "../core/limits/lease_entry.ts";
import { LIMIT_KEYS, type LimitKey } from "../core/limits/limit.ts";
import { periodAt } from "../core/period.ts";
import type { JournalFiles } from "./journal_folder.ts";
import type { LeaseKv } from "./lease_kv.ts";
import { type ChargedLine, chargedLines } from "./ledger_replay.ts";

/** A process that counted, and how far its journal has come. */
export interface Predecessor {
  /** Its name among the processes. */
  readonly slot: string;
  readonly files: JournalFiles;
  /** Of the last line. */
  readonly seq: number;
}

/**
 * What a process held when it ended without a word: the calls its journal knows of are used, the rest
 * goes back. Units of the last minute stay debited until they are too old to matter.
 */
export async function recoverLeases(
  kv: LeaseKv,
  { slot, files, seq: last }: Predecessor,
): Promise<void> {
  const held = new Map<string, number>();
  for await (const id of kv.list()) {
    const { entry } = await kv.read(id);
    const seq = entry?.seqs[slot];
    if (seq !== undefined) held.set(id, seq);
  }
  if (held.size === 0) return;
  const lines = linesBehind(held, files);
  for (const [id] of held) await recover(kv, id, { slot, last, lines: lines.get(id) ?? [] });
}

/** By account, the lines its entry does not hold yet. */
function linesBehind(
  held: ReadonlyMap<string, number>,
  files: JournalFiles,
): ReadonlyMap<string, ChargedLine[]> {
  const found = new Map<string, ChargedLine[]>();
  for (const line of chargedLines(files, { segment: 1, byteOffset: 0 })) {
    for (const id of line.ids) {
      const seq = held.get(id);
      if (seq === undefined || line.seq <= seq) continue;
      found.set(id, [...found.get(id) ?? [], line]);
    }
  }
  return found;
}

async function recover(
  kv: LeaseKv,
  id: string,
  { slot, lines, last }: {
    readonly slot: string;
    readonly lines: readonly ChargedLine[];
    readonly last: number;
  },
): Promise<void> {
  for (;;) {
    const { entry, version } = await kv.read(id);
    if (entry === null) return;
    // Written once already, perhaps: the answer may be all that was lost.
    const behind = lines.filter(({ seq }) => seq > (entry.seqs[slot] ?? last));
    const recovered = withoutSlot(entry, slot, behind, last);
    if (await kv.replace(id, recovered, version)) return;
  }
}

function withoutSlot(
  entry: LeaseEntry,
  slot: string,
  lines: readonly ChargedLine[],
  seq: number,
): LeaseEntry {
  const windows: Partial<Record<LimitKey, LeaseWindow>> = {};
  for (const key of LIMIT_KEYS) {
    const window = entry.windows[key];
    if (!window) continue;
    const { [slot]: _, ...slots } = window.slots;
    const used = isRolling(key) ? 0 : usedBy(lines, key, window.start);
    windows[key] = { ...window, slots, used: window.used + used };
  }
  return { ...entry, windows, seqs: { ...entry.seqs, [slot]: seq } };
}

function usedBy(lines: readonly ChargedLine[], key: LimitKey, start: number): number {
  const units = (charge: Charge) => chargedUnits(charge, key);
  return lines.filter(({ chargedAt }) => isIn(key, start, chargedAt))
    .reduce((sum, { charge }) => sum + units(charge), 0);
}

function isIn(key: LimitKey, start: number, time: number): boolean {
  if (key.startsWith("day.")) return periodAt("day", time).start === start;
  if (key.startsWith("month.")) return periodAt("month", time).start === start;
  return true;
}
