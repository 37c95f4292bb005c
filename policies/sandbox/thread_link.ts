import { EXIT_CRASHED } from "./messages.ts";
import type { HostLink, LinkEvents } from "./host_link.ts";
import { POLICY_WORKER } from "./worker_options.ts";

/**
 * A host in a thread of this process. It has no permission, but shares the fate of the process: what
 * exhausts the memory or upsets the engine ends both, and a loop that the engine does not interrupt
 * keeps a processor busy after the thread is ended.
 */
export function openThread(_heapMb: number, { onChunk, onEnd }: LinkEvents): HostLink {
  const worker = new Worker(new URL("./thread_worker.ts", import.meta.url).href, POLICY_WORKER);
  let alive = true;
  const end = () => {
    if (!alive) return;
    alive = false;
    worker.terminate();
    onEnd(EXIT_CRASHED);
  };
  worker.addEventListener("message", ({ data }: MessageEvent<Uint8Array>) => {
    if (alive) onChunk(data);
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    end();
  });
  return { pid: null, send: (frame) => worker.postMessage(frame, [frame.buffer]), kill: end };
}
