import type { SseFrame } from "@/core/wire.ts";
import type { EchoWorld } from "./world.ts";

const encoder = new TextEncoder();

/** How a body reaches its reader. */
export interface Delivery {
  readonly world: EchoWorld;
  readonly signal: AbortSignal;
  /** Pause before every frame but the first, ms. */
  readonly dripMs: number;
  /** The connection breaks where the body would end. */
  readonly breaks: boolean;
}

/** A body that makes each frame when its reader asks for it; leaving it ends all that it started. */
export function bodyOf(
  frames: Iterable<Uint8Array<ArrayBuffer>>,
  { world, signal, dripMs, breaks }: Delivery,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const source = frames[Symbol.iterator]();
  const left = new AbortController();
  const stop = dripMs > 0 ? AbortSignal.any([signal, left.signal]) : signal;
  let first = true;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      stop.throwIfAborted();
      const next = source.next();
      if (!next.done) {
        if (dripMs > 0 && !first) await world.wait(dripMs, stop);
        first = false;
        controller.enqueue(next.value);
      } else if (breaks) {
        controller.error(new TypeError("Cannot read the body: the echo broke off"));
      } else {
        controller.close();
      }
    },
    cancel: () => left.abort(),
  }, { highWaterMark: 0 });
}

/** The bytes of each frame. */
export function* bytesOf(frames: Iterable<SseFrame>): Iterable<Uint8Array<ArrayBuffer>> {
  for (const { event, data } of frames) {
    const name = event === "" ? "" : `event: ${event}\n`;
    yield encoder.encode(`${name}data: ${data}\n\n`);
  }
}

/** The first half of a text's bytes. */
export function halfOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(text);
  return bytes.slice(0, bytes.length >> 1);
}
