import { newId } from "../core/new_id.ts";
import { parseJson } from "../core/parse_json.ts";
import { dirname, join } from "node:path";

/** Longest line of a journal, its newline included, bytes. */
export const MAX_LINE_BYTES = 256 * 1024;

/** One journal of a folder: the files that share a stem such as `requests`, `requests.1`, `events`. */
export interface JournalFiles {
  readonly folder: string;
  readonly stem: string;
  /** `requests` for calls, `events` for everything else. */
  readonly kind: "requests" | "events";
  /** 0 for the first writer. */
  readonly writer: number;
}

/** A file of a journal; the active one has the number it will be closed under. */
export interface Segment {
  readonly number: number;
  readonly path: string;
  readonly closed: boolean;
}

/** Who writes a journal, and the number of its active segment, as the `.state` file says. */
export interface JournalState {
  readonly journalId: string;
  readonly segment: number;
}

/** The call journal and the event journal of a writer of a gateway whose `logging.path` this is. */
export function journalsOf(
  path: string,
  writer = 0,
): { calls: JournalFiles; events: JournalFiles } {
  const folder = dirname(path);
  const behind = writer === 0 ? "" : `.${writer}`;
  return {
    calls: { folder, stem: `${stemOf(path)}${behind}`, kind: "requests", writer },
    events: { folder, stem: `events${behind}`, kind: "events", writer },
  };
}

/** Where lines that do not load go. */
export function rejectedPath(path: string): string {
  return join(dirname(path), `${stemOf(path)}.rejected.jsonl`);
}

/** What the one that writes a journal of calls holds. */
export function lockPath({ folder, stem }: JournalFiles): string {
  return join(folder, `${stem}.lock`);
}

/** Path of the active segment. */
export function activePath({ folder, stem }: JournalFiles): string {
  return join(folder, `${stem}.jsonl`);
}

/** Path of a closed segment. */
export function closedPath({ folder, stem }: JournalFiles, segment: number): string {
  return join(folder, `${stem}.${String(segment).padStart(8, "0")}.jsonl`);
}

/** Every journal in the folder of `logging.path`, also those whose writer is gone, in name order. */
export function findJournals(path: string): JournalFiles[] {
  const { calls, events } = journalsOf(path);
  const found = new Map<string, JournalFiles>();
  for (const { name } of readFolder(calls.folder)) {
    for (const base of [calls, events]) {
      const rest = name.startsWith(`${base.stem}.`) ? name.slice(base.stem.length + 1) : "";
      const match = /^(?:([1-9]\d{0,6})\.)?(?:\d{8}\.)?(?:jsonl|state)$/.exec(rest);
      if (!match) continue;
      const stem = match[1] ? `${base.stem}.${match[1]}` : base.stem;
      found.set(stem, { ...base, stem, writer: Number(match[1] ?? 0) });
    }
  }
  return [...found.values()].toSorted((a, b) => a.stem < b.stem ? -1 : 1);
}

/**
 * The segments of a journal in order, the active one last (when its file exists). Safe beside a writer
 * that rotates: names that were read while the state changed are read again.
 */
export function segmentsOf(journal: JournalFiles): Segment[] {
  for (;;) {
    const before = readState(journal)?.segment ?? 1;
    const names = readFolder(journal.folder).map(({ name }) => name);
    if (before !== (readState(journal)?.segment ?? 1)) continue;
    const closed = names.flatMap((name) => closedNumber(journal, name) ?? [])
      .toSorted((a, b) => a - b)
      .map((number) => ({ number, path: closedPath(journal, number), closed: true }));
    if (!names.includes(`${journal.stem}.jsonl`)) return closed;
    const number = Math.max(before, (closed.at(-1)?.number ?? 0) + 1);
    return [...closed, { number, path: activePath(journal), closed: false }];
  }
}

/** Reads the `.state` file; `null` when it is missing or unreadable. */
export function readState(journal: JournalFiles): JournalState | null {
  try {
    const value: unknown = parseJson(Deno.readTextFileSync(statePath(journal)));
    if (typeof value !== "object" || value === null) return null;
    const { journal_id, segment } = value as Record<string, unknown>;
    if (typeof journal_id !== "string" || !/^jrn_[0-9a-f]{32}$/.test(journal_id)) return null;
    if (typeof segment !== "number" || !Number.isSafeInteger(segment) || segment < 1) return null;
    return { journalId: journal_id, segment };
  } catch {
    return null;
  }
}

/** Replaces the `.state` file by write, sync, rename. */
export function writeState(journal: JournalFiles, { journalId, segment }: JournalState): void {
  const temporary = `${statePath(journal)}.new`;
  {
    using file = Deno.openSync(temporary, {
      create: true,
      write: true,
      truncate: true,
      mode: 0o600,
    });
    const text = JSON.stringify({ journal_id: journalId, segment });
    file.writeSync(new TextEncoder().encode(`${text}\n`));
    file.syncSync();
  }
  Deno.renameSync(temporary, statePath(journal));
}

/** The id of a journal that begins now: `jrn_` and 32 hex of a UUIDv7. */
export function newJournalId(now: number): string {
  return `jrn_${newId(now)}`;
}

function closedNumber({ stem }: JournalFiles, name: string): number | null {
  const digits = name.slice(stem.length + 1, -".jsonl".length);
  if (!name.startsWith(`${stem}.`) || !name.endsWith(".jsonl")) return null;
  return /^\d{8}$/.test(digits) ? Number(digits) : null;
}

function statePath({ folder, stem }: JournalFiles): string {
  return join(folder, `${stem}.state`);
}

function stemOf(path: string): string {
  return path.slice(dirname(path).length + 1).replace(/\.jsonl$/, "");
}

function readFolder(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
