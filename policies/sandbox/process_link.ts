import { messageOf } from "../../core/thrown.ts";
import { hostCommand } from "./host_command.ts";
import type { HostLink, LinkEvents } from "./host_link.ts";

/** Bytes read at once; most answers take less than a hundred. */
const READ_BYTES = 16 * 1024;

/** A host in a process of its own, reached over its pipes. */
export function openProcess(heapMb: number, events: LinkEvents): HostLink {
  const child = spawn(heapMb);
  const send = outlet(child.stdin);
  void follow(child, events);
  return {
    pid: child.pid,
    send,
    kill() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already; its end is on the way.
      }
    },
  };
}

/** @throws {Error} when the system starts no process, or the gateway may not */
function spawn(heapMb: number): Deno.ChildProcess {
  try {
    return hostCommand(heapMb).spawn();
  } catch (error) {
    throw new Error(`Cannot start a process for policies: ${messageOf(error)}`, { cause: error });
  }
}

/** Sends frames; those of one turn, and those that come while others are being written, go together. */
function outlet(stdin: WritableStream<Uint8Array<ArrayBuffer>>): HostLink["send"] {
  const writer = stdin.getWriter();
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  let writing = false;

  async function write(): Promise<void> {
    writing = true;
    await null;
    while (waiting.length > 0) {
      const frames = waiting;
      waiting = [];
      await writer.write(frames.length === 1 ? frames[0]! : joined(frames));
    }
    writing = false;
  }

  return (frame) => {
    waiting.push(frame);
    // A broken pipe is seen as the end of the process.
    if (!writing) write().catch(() => {});
  };
}

function joined(frames: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}

/** Reads into one buffer, again and again, to the end of the process. */
async function follow(child: Deno.ChildProcess, events: LinkEvents): Promise<void> {
  const reader = child.stdout.getReader({ mode: "byob" });
  let buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    const { value, done } = await reader.read(buffer);
    if (done) break;
    events.onChunk(value);
    buffer = new Uint8Array(value.buffer);
  }
  const { code } = await child.status;
  events.onEnd(code);
}
