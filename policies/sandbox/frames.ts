/**
 * What a frame says; `load`, `decide`, `decideAll`, `resume` and `measure` go to a host, the others come
 * from it.
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
  decideAll: 12,
  free: 13,
} as const;

/** Set in the kind of an answer: the heap has passed its mark, replace this process. */
export const RECYCLE = 0x80;

/** Set in the kind of `free`: the decision was not the same when it was made again. */
export const DIFFERS = 0x40;

/** Set in the kind of an answer: the host has to do with it still, and says when it is `free` again. */
export const TIDIES = 0x20;

/** The kind without its marks. */
export const KIND = 0x1f;

/** A message between the gateway and a host. */
export interface Frame {
  readonly kind: number;
  /** Of the request; an answer repeats it. */
  readonly sequence: number;
  /** When it was sent, ms on a clock of the sender that never goes back; 0: it does not say. */
  readonly at: number;
  /** UTF-8. */
  readonly payload: Uint8Array;
}

const HEADER_BYTES = 17;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

/** Bytes of a frame, big-endian: payload length and sequence as uint32, `at` as float64, kind, payload. */
export function encodeFrame(
  kind: number,
  sequence: number,
  text: string,
  at = 0,
): Uint8Array<ArrayBuffer> {
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
  view.setFloat64(8, at);
  bytes[16] = kind;
  return bytes;
}

/** Splits a stream of bytes into frames. */
export class FrameReader {
  readonly #maxBytes: number;
  #held: Uint8Array = NOTHING;

  /** A payload over `maxBytes` is not read. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The frames that these bytes complete.
   *
   * @throws {RangeError} when the first that is left announces too large a payload
   */
  push(chunk: Uint8Array): readonly Frame[] {
    const bytes = this.#held.length === 0 ? chunk : joined(this.#held, chunk);
    const frames: Frame[] = [];
    let at = 0;
    for (let end = this.#endOf(bytes, at); end !== null; end = this.#endOf(bytes, at)) {
      const payload = bytes.subarray(at + HEADER_BYTES, end);
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
      frames.push({
        kind: view.getUint8(16),
        sequence: view.getUint32(4),
        at: view.getFloat64(8),
        payload,
      });
      at = end;
    }
    // The chunk may be a buffer that is filled again.
    this.#held = at === bytes.length ? NOTHING : bytes.slice(at);
    return frames;
  }

  /** Where the frame ends that begins here; `null` while it cannot be given. */
  #endOf(bytes: Uint8Array, at: number): number | null {
    if (bytes.length < at + HEADER_BYTES) return null;
    const payload = uint32(bytes, at);
    if (payload > this.#maxBytes) {
      // What stands before it is given first: with the next chunk, nothing stands there.
      if (at > 0) return null;
      throw new RangeError("Cannot read a frame: it is too large");
    }
    const end = at + HEADER_BYTES + payload;
    return bytes.length < end ? null : end;
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
