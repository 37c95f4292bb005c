import { EXIT_CRASHED, EXIT_MEMORY } from "./messages.ts";
import { POLICY_WORKER } from "./worker_options.ts";

/** How often the process looks at itself, ms. */
const LOOK_MS = 50;

/**
 * A policy host: a process of its own for one policy. The thread that runs it may do nothing; this one
 * only ends the process when it grows too large, when its parent is gone, or when the thread fails.
 */
export function watch(maxResidentBytes: number): void {
  const worker = new Worker(new URL("./realm_worker.ts", import.meta.url).href, POLICY_WORKER);
  const parent = Deno.ppid;
  worker.addEventListener("message", () => Deno.exit(0));
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    Deno.exit(EXIT_CRASHED);
  });
  setInterval(() => {
    if (Deno.memoryUsage().rss > maxResidentBytes) Deno.exit(EXIT_MEMORY);
    if (Deno.ppid !== parent) Deno.exit(0);
  }, LOOK_MS);
}

if (import.meta.main) watch(Number(Deno.args[0]));
