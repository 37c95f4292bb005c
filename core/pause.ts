import type { Call } from "./call.ts";

/** Waits, and ends early when the call is cut. */
export function pause(call: Call, ms: number): Promise<void> {
  if (ms <= 0 || call.cut !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      call.onCut = null;
      resolve();
    };
    const timer = setTimeout(done, ms);
    call.onCut = done;
  });
}
