import type { Deadlines } from "../core/deadlines.ts";

/** How long something may take, and who may end it. */
export interface Limits {
  readonly ms: number;
  readonly deadlines: Deadlines;
  readonly signal: AbortSignal;
}

/**
 * Does something that takes as long as it is let; `null`: its time is over.
 *
 * @throws the reason of `signal` once that is aborted, and what `work` throws
 */
export async function within<Result>(
  { ms, deadlines, signal }: Limits,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | null> {
  const ended = new AbortController();
  const deadline = deadlines.set(ms, () => ended.abort(LATE));
  const leave = () => ended.abort(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave);
  try {
    return await work(ended.signal);
  } catch (error) {
    if (error === LATE) return null;
    throw error;
  } finally {
    deadline.cancel();
    signal.removeEventListener("abort", leave);
  }
}

const LATE = new Error("Cannot wait any longer");
