/**
 * What a frame says; `load`, `decide`, `resume` and `measure` go to a host, the others come from it.
 */
export const FRAME = {
  load: 1,
  decide: 2,
  ready: 3,
  loaded: 4,
  refused: 5,
  plan: 6,
  fault: 7,
  pause: 8,
  resume: 9,
  measure: 10,
  measured: 11,
} as const;

/** Set in the kind of an answer: the heap has passed its mark, replace this process. */
export const RECYCLE = 0x80;

/** Set in the kind of an answer: an earlier decision was not the same when it was made again. */
export const DIFFERS = 0x40;

/** The kind without its marks. */
export const KIND = 0x3f;

/** A message between the gateway and a host. */
export interface Frame {
  readonly kind: number;
  /** Of the request; an answer repeats it. */
  readonly sequence: number;
  /** UTF-8. */
  readonly payload: Uint8Array;
}

const HEADER_BYTES = 9;
const encoder = new TextEncoder();

/** Bytes of a frame: payload length and sequence as big-endian uint32, kind, payload. */
export function encodeFrame(kind: number, sequence: number, text: string): Uint8Array<ArrayBuffer> {
  // Contexts and plans are mostly ASCII: a byte for each UTF-16 unit.
  let bytes = new Uint8Array(HEADER_BYTES + text.length);
  if (encoder.encodeInto(text, bytes.subarray(HEADER_BYTES)).read < text.length) {
    const payload = encoder.encode(text);
    bytes = new Uint8Array(HEADER_BYTES + payload.length);
    bytes.set(payload, HEADER_BYTES);
  }
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length - HEADER_BYTES);
  view.setUint32(4, sequence);
  bytes[8] = kind;
  return bytes;
}

/** Splits a stream of bytes into frames. */
export class FrameReader {
  readonly #maxBytes: number;
  #held: Uint8Array = new Uint8Array(0);

  /** A payload over `maxBytes` is not read. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The frames that these bytes complete.
   *
   * @throws {RangeError} when a frame announces too large a payload
   */
  *push(chunk: Uint8Array): Iterable<Frame> {
    let bytes = this.#held.length === 0 ? chunk : joined(this.#held, chunk);
    for (let size = this.#sizeOf(bytes); size !== null; size = this.#sizeOf(bytes)) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
      const payload = bytes.subarray(HEADER_BYTES, size);
      yield { kind: view.getUint8(8), sequence: view.getUint32(4), payload };
      bytes = bytes.subarray(size);
    }
    // The chunk may be a buffer that is filled again.
    this.#held = bytes.slice();
  }

  /** Bytes of the first frame; `null` while it is not complete. */
  #sizeOf(bytes: Uint8Array): number | null {
    if (bytes.length < HEADER_BYTES) return null;
    const payload = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
    if (payload > this.#maxBytes) throw new RangeError("Cannot read a frame: it is too large");
    return bytes.length < HEADER_BYTES + payload ? null : HEADER_BYTES + payload;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
