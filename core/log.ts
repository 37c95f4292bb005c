import { LOG_EVENTS, type LogEvent, type LogFields } from "./log_events.ts";

/** How loud a log line is. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Writes one line per event. */
export interface Log {
  write<Event extends LogEvent>(
    level: LogLevel,
    event: Event,
    msg: string,
    fields?: LogFields<Event>,
  ): void;
  /** Takes new settings after a reload. */
  configure(settings: LogSettings): void;
}

/** Lines below `level` are dropped. */
export interface LogSettings {
  readonly level: LogLevel;
  readonly format: "json" | "text";
}

/** Until the configuration says how. */
export const FIRST_LOG: LogSettings = { level: "info", format: "json" };

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const LINES_PER_SECOND = 10;

/** Where lines go, and what each of them says of who wrote it. */
export interface LogWorld {
  /** Epoch ms. */
  now(): number;
  line(text: string): void;
  /** Which of several serving processes this is. */
  readonly worker?: number;
}

/**
 * Builds the log. Past 10 equal events a second the rest is counted, and the count rides on the next
 * line of that event as `suppressed`.
 */
export function createLog(
  settings: LogSettings,
  world: LogWorld = { now: Date.now, line: printError },
): Log {
  let current = settings;
  const bursts = new Map<LogEvent, { second: number; count: number; suppressed: number }>();

  /** Lines swallowed since the last one of this event, or `null` when this one is swallowed too. */
  function admit(event: LogEvent, now: number): number | null {
    const second = Math.floor(now / 1000);
    const burst = bursts.get(event) ?? { second, count: 0, suppressed: 0 };
    bursts.set(event, burst);
    if (burst.second !== second) Object.assign(burst, { second, count: 0 });
    burst.count += 1;
    if (burst.count > LINES_PER_SECOND) {
      burst.suppressed += 1;
      return null;
    }
    const suppressed = burst.suppressed;
    burst.suppressed = 0;
    return suppressed;
  }

  return {
    configure: (settings) => void (current = settings),
    write(level, event, msg, fields) {
      if (RANK[level] < RANK[current.level]) return;
      const now = world.now();
      const suppressed = admit(event, now);
      if (suppressed === null) return;
      const line = {
        ts: new Date(now).toISOString(),
        level,
        event,
        msg,
        ...allowed(event, fields ?? {}),
        ...(suppressed > 0 ? { suppressed } : {}),
        ...(world.worker === undefined ? {} : { worker: world.worker }),
      };
      world.line(current.format === "json" ? JSON.stringify(line) : readable(line));
    },
  };
}

/** What comes from another thread is no more than what is on the list either. */
function allowed(event: LogEvent, fields: LogFields): LogFields {
  const names: readonly (keyof LogFields)[] = LOG_EVENTS[event];
  return Object.fromEntries(names.map((name) => [name, fields[name]]));
}

function readable(line: Readonly<Record<string, unknown>>): string {
  const { ts, level, event: _, msg, ...fields } = line;
  const stated = Object.entries(fields).filter(([_, value]) => value !== undefined);
  const rest = stated.map(([name, value]) => `${name}=${value}`).join(" ");
  return `${ts} ${String(level).toUpperCase().padEnd(5)} ${msg}${rest ? `  ${rest}` : ""}`;
}

const encoder = new TextEncoder();

/** Writes text and a newline to stdout. */
export function print(text: string): void {
  writeAll(Deno.stdout, `${text}\n`);
}

/** Writes text and a newline to stderr. */
export function printError(text: string): void {
  writeAll(Deno.stderr, `${text}\n`);
}

/** Writes over the last line of a terminal on stderr, which an empty text clears. */
export function progress(text: string): void {
  if (Deno.stderr.isTerminal()) writeAll(Deno.stderr, `\r\x1b[K${text}`);
}

/** Columns of the terminal on stdout; no end of them where it is none. */
export function terminalWidth(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : Infinity;
}

/** A console that is gone or full must not end the process, nor what was about to be logged. */
function writeAll(out: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes: Uint8Array = encoder.encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(out.writeSync(bytes));
  } catch {
    // There is nowhere left to say it.
  }
}
