import { fileError } from "../core/command.ts";
import type { NewRow, UsageDatabase } from "./database.ts";
import { createLineReader, type LineRows } from "./line_rows.ts";
import { LineError } from "./row_reader.ts";

/** What became of the lines of a file. */
export interface ImportCounts {
  readonly inserted: number;
  /** Lines whose call is in the database already. */
  readonly duplicate: number;
  /** Lines that no database would take. */
  readonly rejected: number;
  /** Where the first line is that is none of a journal, and why; `null`: all are. */
  readonly unreadable: string | null;
}

type Counts = { -readonly [Name in keyof ImportCounts]: ImportCounts[Name] };

const BATCH_LINES = 500;

/**
 * Loads the lines of a journal file, wherever it comes from; `now` is epoch ms. Lines that are there
 * already change nothing, so a file may be loaded again. No offset moves: the gateway's own journals are
 * shipped as before.
 *
 * @throws {ExitError} code 1 when the file cannot be opened
 * @throws what the file system or the database says
 */
export async function importJournal(
  db: UsageDatabase,
  path: string,
  now: number,
): Promise<ImportCounts> {
  const counts: Counts = { inserted: 0, duplicate: 0, rejected: 0, unreadable: null };
  const readLine = createLineReader();
  let number = 0;
  const read = (text: string): LineRows | null => {
    number += 1;
    try {
      return readLine(text, now);
    } catch (error) {
      if (!(error instanceof LineError || error instanceof SyntaxError)) throw error;
      // What the parser of JSON says has a piece of the line in it.
      const reason = error instanceof LineError ? error.message : "Cannot read it as JSON";
      counts.unreadable ??= `Line ${number}: ${reason}`;
      return null;
    }
  };
  for await (const texts of batchesOf(path)) {
    const lines = texts.map(read);
    const good = lines.filter((line) => line !== null);
    counts.rejected += lines.length - good.length;
    await load(db, good, counts);
  }
  return counts;
}

/** One transaction per batch; halves what is refused for its content, until one line is left. */
async function load(
  db: UsageDatabase,
  lines: readonly LineRows[],
  counts: Counts,
): Promise<void> {
  if (lines.length === 0) return;
  try {
    const inserted = await insert(db, lines);
    counts.inserted += inserted;
    counts.duplicate += lines.length - inserted;
  } catch (error) {
    if (!db.isContentError(error)) throw error;
    if (lines.length === 1) counts.rejected += 1;
    else {
      const half = lines.length >> 1;
      await load(db, lines.slice(0, half), counts);
      await load(db, lines.slice(half), counts);
    }
  }
}

function insert(db: UsageDatabase, lines: readonly LineRows[]): Promise<number> {
  const own = rowsByTable(lines.map(({ rows }) => rows[0]!));
  const children = rowsByTable(lines.flatMap(({ rows }) => rows.slice(1)));
  return db.transaction(async (queries) => {
    let inserted = 0;
    for (const [table, rows] of own) inserted += await queries.insert(table, rows);
    for (const [table, rows] of children) await queries.insert(table, rows);
    return inserted;
  });
}

function rowsByTable(rows: readonly (readonly [string, NewRow])[]): Map<string, NewRow[]> {
  const grouped = Map.groupBy(rows, ([table]) => table);
  return new Map([...grouped].map(([table, list]) => [table, list.map(([, row]) => row)]));
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}

async function* batchesOf(path: string): AsyncGenerator<string[]> {
  const file = await openFile(path);
  let rest = "";
  let lines: string[] = [];
  for await (const text of file.readable.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    for (const line of parts) if (line !== "") lines.push(line);
    while (lines.length >= BATCH_LINES) {
      yield lines.slice(0, BATCH_LINES);
      lines = lines.slice(BATCH_LINES);
    }
  }
  if (rest !== "") lines.push(rest);
  if (lines.length > 0) yield lines;
}
