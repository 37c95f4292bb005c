import type { Log } from "../core/log.ts";
import type { Backlog } from "../core/record.ts";

/** How much may wait for the usage database, and what happens beyond. */
export interface BacklogLimits {
  readonly maxUnshippedBytes: number;
  readonly onFull: "refuse" | "warn";
}

/** The bytes of a journal that are not shipped, and since when. */
export interface OpenBacklog extends Backlog {
  configure(limits: BacklogLimits): void;
  /** A line was written. */
  add(bytes: number): void;
  /** The store says how many bytes it has not shipped; nothing is counted before it does. */
  set(bytes: number): void;
  /** Whether calls are to be refused. */
  refuses(): boolean;
}

/** All that was written up to a moment. */
interface Mark {
  readonly at: number;
  written: number;
}

/** Lines of one such time share a mark, ms: a short lag is told exactly, a long one has few marks. */
const FINE_MS = 50;
const COARSE_MS = 1_000;
/** Marks that are fine. */
const FINE_MARKS = 100;

/** Builds an empty backlog; `now` is epoch ms. */
export function createBacklog(
  settings: BacklogLimits,
  { log, now }: { readonly log: Log; now(): number },
): OpenBacklog {
  let limits = settings;
  let unshipped: number | null = null;
  let written = 0;
  let warned = false;
  let marks: Mark[] = [];
  const isFull = () => limits.maxUnshippedBytes > 0 && (unshipped ?? 0) >= limits.maxUnshippedBytes;

  function note(bytes: number): void {
    written += bytes;
    const at = now();
    const last = marks.at(-1);
    const every = marks.length < FINE_MARKS ? FINE_MS : COARSE_MS;
    if (last && at - last.at < every) last.written = written;
    else marks.push({ at, written });
  }

  return {
    configure: (next) => void (limits = next),
    add(bytes) {
      if (unshipped === null) return;
      unshipped += bytes;
      note(bytes);
    },
    set(bytes) {
      // What waits from an earlier run is as old as this one, for all we know.
      if (bytes > written) note(bytes - written);
      unshipped = bytes;
      marks = marks.filter((mark) => mark.written > written - bytes);
      if (isFull() && !warned) {
        log.write("warn", "shipper_backoff", "Journal holds more unshipped bytes than its limit", {
          unshipped_bytes: bytes,
          max_unshipped_bytes: limits.maxUnshippedBytes,
        });
      }
      warned = isFull();
    },
    refuses: () => limits.onFull === "refuse" && isFull(),
    get bytes() {
      return unshipped ?? 0;
    },
    get lagMs() {
      const [oldest] = marks;
      return oldest ? Math.max(0, now() - oldest.at) : 0;
    },
  };
}
