import { unheard } from "./upstream.ts";

/** Bytes read at once. */
const READ_BYTES = 16_384;

/** One read: a chunk of its own, or the end. */
export type Chunk =
  | { readonly done: false; readonly value: Uint8Array<ArrayBuffer> }
  | { readonly done: true };

/** Reads a body chunk by chunk. */
export interface ChunkReader {
  /** @throws {NetworkError} */
  read(): Promise<Chunk>;
  /** Stops the other side. Never rejects. */
  cancel(): void;
}

const END: Chunk = { done: true };

/**
 * Reads a body into one buffer that is used again for each read: without it every frame of a stream
 * costs a fresh 64 KiB. Bodies that cannot fill a buffer of ours are read as they come.
 */
export function createChunkReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): ChunkReader {
  const bytes = byteReader(body);
  return bytes ? reusing(bytes) : asTheyCome(body.getReader());
}

function byteReader(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStreamBYOBReader | null {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    return null;
  }
}

/** One promise for each chunk beside the stream's own: all of a stream passes here. */
function reusing(reader: ReadableStreamBYOBReader): ChunkReader {
  let buffer = new ArrayBuffer(READ_BYTES);
  let ended = false;

  function take(
    { done, value }: ReadableStreamReadResult<Uint8Array<ArrayBuffer>>,
  ): Chunk {
    if (done || value === undefined) {
      ended = true;
      return END;
    }
    buffer = value.buffer;
    return { done: false, value: value.slice() };
  }

  return {
    // The end takes the buffer with it.
    read: () =>
      ended ? Promise.resolve(END) : reader.read(new Uint8Array(buffer)).then(take, unheard),
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

function asTheyCome(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
): ChunkReader {
  return {
    read: () => reader.read().then(({ done, value }) => done ? END : { done, value }, unheard),
    cancel: () => void reader.cancel().catch(() => {}),
  };
}
