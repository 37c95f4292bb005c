import { dirname } from "node:path";
import type { Log } from "../core/log.ts";
import type { Journal, JournalState } from "../core/record.ts";
import type { LoggingSettings } from "../core/snapshot.ts";
import { messageOf } from "../core/thrown.ts";
import { wait, within } from "../core/wait.ts";
import { type OpenAppendFile, openAppendFile } from "./append_file.ts";
import { createBacklog } from "./backlog.ts";
import { groupSync } from "./group_sync.ts";
import { type JournalFiles, journalsOf, lockPath } from "./journal_folder.ts";
import { createLineEncoder } from "./line.ts";
import { LineWriter } from "./line_writer.ts";
import type { Position } from "./segment_reader.ts";

/** How far a journal of calls has come. */
export interface JournalMark {
  readonly journalId: string;
  /** Of its last line, also when that is not written yet. */
  readonly seq: number;
  /** A place that all lines after that one lie behind. */
  readonly position: Position;
}

/** A journal, and what the usage store tells it. */
export interface OpenJournal extends Journal {
  /** Where its calls are. */
  readonly files: JournalFiles;
  /** How far it has come. */
  mark(): JournalMark;
  /** Bytes not shipped yet, as the store counted them; lines written since are added. `null`: unknown. */
  setUnshipped(bytes: number | null): void;
}

/** What a journal needs of its surroundings. */
export interface JournalWorld {
  readonly log: Log;
  /** Epoch ms. */
  now(): number;
  /** Whether a usage store ships the segments and removes them; else the newest `keep` stay. */
  readonly shipped: boolean;
  /** Which of several processes writes it; 0 when there is one. */
  readonly writer?: number;
  /** For tests: the file, and ms between tries after a failed write (1,000). */
  readonly openFile?: OpenAppendFile;
  readonly retryMs?: number;
}

const MAX_HELD_BYTES = 64 * 1024 * 1024;
/** Longest wait of a finishing call for a line that cannot be written, ms. */
const MAX_WAIT_MS = 1_000;

/**
 * Opens the call journal and the event journal beside it, repairs a torn last line, and locks them.
 *
 * @throws JournalHeldError when another process writes them, and what the system says
 */
export function openJournal(settings: LoggingSettings, world: JournalWorld): OpenJournal {
  Deno.mkdirSync(dirname(settings.path), { recursive: true, mode: 0o700 });
  const lock = takeLock(settings.path, journalsOf(settings.path, world.writer).calls);
  try {
    return createJournal(settings, world, lock);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** A journal is looked at again after this time, ms. */
const LOOK_MS = 100;

/**
 * Opens the journal of one of several processes. One that was killed with its supervisor, and not yet
 * replaced, may still be ending: it is waited for.
 *
 * @throws JournalHeldError after `waitMs`, and what the system says
 */
export async function openJournalSoon(
  settings: LoggingSettings,
  world: JournalWorld,
  waitMs: number,
): Promise<OpenJournal> {
  for (let left = waitMs;; left -= LOOK_MS) {
    try {
      return openJournal(settings, world);
    } catch (error) {
      if (!(error instanceof JournalHeldError) || left <= 0) throw error;
    }
    await wait(LOOK_MS);
  }
}

function createJournal(
  settings: LoggingSettings,
  world: JournalWorld,
  lock: Deno.FsFile,
): OpenJournal {
  const { files, calls, events } = openWriters(settings, world);
  const lines = createLineEncoder();
  const synced = settings.fsync === "call" ? groupSync(() => calls.sync()) : null;
  const backlog = createBacklog(settings, world);
  if (world.shipped) backlog.set(0);
  const torn = [calls, events].filter(({ recovery }) => recovery === "torn").length;
  let seq = calls.seqAtStart;
  let eventSeq = events.seqAtStart;

  return {
    files: files.calls,
    append(record) {
      const line = lines.call(seq += 1, record);
      calls.write(line);
      backlog.add(line.length);
      if (calls.failed) return waitForWriting(calls);
      return synced?.();
    },
    appendSecurityEvent(event) {
      events.write(lines.event(eventSeq += 1, "security_access_events", event));
    },
    appendDecision(decision) {
      events.writeSoon(lines.decision(eventSeq += 1, decision));
    },
    appendDecisionSource(table, row) {
      events.write(lines.event(eventSeq += 1, table, row));
    },
    get state(): JournalState {
      if (calls.failed) return "write-failed";
      return backlog.refuses() ? "full" : "ok";
    },
    mark: () => ({ journalId: calls.journalId, seq, position: calls.position }),
    get counts() {
      const lines = seq - calls.seqAtStart + eventSeq - events.seqAtStart;
      return { lines, lost: calls.lost + events.lost, torn };
    },
    backlog,
    configure: backlog.configure,
    setUnshipped(bytes) {
      if (bytes !== null) backlog.set(bytes);
    },
    close() {
      calls.close();
      events.close();
      // A process that is being started has a copy of the file for a moment, which would hold it on.
      lock.unlockSync();
      lock.close();
      return Promise.resolve();
    },
  };
}

function openWriters(settings: LoggingSettings, world: JournalWorld) {
  const files = journalsOf(settings.path, world.writer);
  const options = writerOptions(settings, world);
  const calls = new LineWriter(files.calls, options);
  const events = new LineWriter(files.events, options);
  for (const { recovery } of [calls, events]) reportTorn(recovery, world.log);
  return { files, calls, events };
}

function writerOptions(settings: LoggingSettings, { log, now, ...world }: JournalWorld) {
  return {
    rotateBytes: settings.rotateBytes,
    keep: world.shipped ? null : settings.keep,
    fsyncIntervalMs: settings.fsyncIntervalMs,
    retryMs: world.retryMs ?? 1_000,
    maxHeldBytes: MAX_HELD_BYTES,
    openFile: world.openFile ?? openAppendFile,
    now,
    onFailed(error: unknown) {
      const { name, code } = error as { readonly name?: string; readonly code?: string };
      const fields = { name, code, reason: messageOf(error) };
      log.write("error", "journal_write_failed", "Cannot write the journal", fields);
    },
    onRecovered(lines: number) {
      log.write("info", "journal_recovered", "Journal is written again", { lines });
    },
  };
}

function reportTorn(recovery: LineWriter["recovery"], log: Log): void {
  if (recovery === "torn") {
    log.write("warn", "journal_torn", "Journal ended in a torn line, which was moved aside");
  }
}

/** A journal that another process writes. */
class JournalHeldError extends Error {
  override readonly name = "JournalHeldError";
}

function takeLock(path: string, files: JournalFiles): Deno.FsFile {
  const file = Deno.openSync(lockPath(files), { create: true, write: true, mode: 0o600 });
  if (file.tryLockSync(true)) return file;
  file.close();
  throw new JournalHeldError(`Cannot open the journal "${path}": another gateway writes it`);
}

async function waitForWriting(calls: LineWriter): Promise<void> {
  await within(calls.drained(), MAX_WAIT_MS);
}
