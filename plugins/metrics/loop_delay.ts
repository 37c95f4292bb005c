import type { Buckets } from "./buckets.ts";

const INTERVAL_MS = 500;

/** Observes twice a second how late a timer runs; `clock` is monotonic ms. */
export function watchLoop(delays: Buckets, clock: () => number): Disposable {
  let due = clock() + INTERVAL_MS;
  const timer = setInterval(() => {
    const now = clock();
    delays.observe(Math.max(0, now - due) / 1000);
    due = now + INTERVAL_MS;
  }, INTERVAL_MS);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
