import { type Behaviour, firstFrames, framesOf } from "../upstream.ts";
import { asChunk, responseHead } from "../upstream_http.ts";

const STREAM_HEAD = responseHead(200, {
  "content-type": "text/event-stream",
  "transfer-encoding": "chunked",
});

/** A sample stream up to its first frame of content. */
export function upToContent(stream: Uint8Array): string {
  const content = framesOf(stream).findIndex((frame) => frame.includes("hello"));
  return firstFrames(stream, content + 1);
}

/** Sends a stream up to an offset in bytes, and the rest when the promise resolves. */
export function gated(stream: Uint8Array, offset: number, go: Promise<unknown>): Behaviour {
  return async ({ write, until }) => {
    await write(STREAM_HEAD);
    await write(asChunk(stream.subarray(0, offset)));
    await until(go);
    if (offset < stream.length) await write(asChunk(stream.subarray(offset)));
    await write("0\r\n\r\n");
  };
}

/** Sends a frame `count` times and then an ending, each as fast as it is taken. */
export function flood(
  { frame, count, ending }: {
    readonly frame: string;
    readonly count: number;
    readonly ending: string;
  },
): Behaviour {
  const encoder = new TextEncoder();
  const block = asChunk(encoder.encode(frame));
  return async ({ write }) => {
    await write(STREAM_HEAD);
    for (let sent = 0; sent < count; sent++) await write(block);
    await write(asChunk(encoder.encode(ending)));
    await write("0\r\n\r\n");
  };
}
