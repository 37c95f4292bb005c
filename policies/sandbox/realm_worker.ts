/// <reference lib="deno.worker" />
import { createRealmServer } from "./realm_server.ts";

/**
 * The thread that policies run in: it may do nothing, and holds nothing but what comes through stdin.
 * It reads and answers synchronously, one frame after the other.
 */
function serve(): void {
  const take = createRealmServer(send, true);
  const buffer = new Uint8Array(64 * 1024);
  for (let size = read(buffer); size !== null; size = read(buffer)) take(buffer.subarray(0, size));
}

const read = (buffer: Uint8Array) => Deno.stdin.readSync(buffer);

function send(bytes: Uint8Array): void {
  for (let left = bytes; left.length > 0;) left = left.subarray(Deno.stdout.writeSync(left));
}

serve();
// The gateway is gone, or done with this process.
self.postMessage("end");
