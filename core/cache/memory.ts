import { type CachedReply, isFresh } from "./entry.ts";

/** Bytes an entry takes beside its body, about. */
const ENTRY_BYTES = 512;

/** Replies in memory: the least recently read go first when there is no room. */
export class ReplyMemory {
  readonly #entries = new Map<string, CachedReply>();
  #bytes = 0;

  get items(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A reply that is not older than its time, at `now` (epoch ms). */
  get(key: string, now: number): CachedReply | null {
    const reply = this.#entries.get(key);
    if (!reply) return null;
    this.#remove(key, reply);
    if (!isFresh(reply, now)) return null;
    this.#add(key, reply);
    return reply;
  }

  set(key: string, reply: CachedReply, maxBytes: number): void {
    const before = this.#entries.get(key);
    if (before) this.#remove(key, before);
    if (sizeOf(reply) > maxBytes) return;
    this.#add(key, reply);
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= maxBytes) return;
      this.#remove(oldest, entry);
    }
  }

  #add(key: string, reply: CachedReply): void {
    this.#entries.set(key, reply);
    this.#bytes += sizeOf(reply);
  }

  #remove(key: string, reply: CachedReply): void {
    this.#entries.delete(key);
    this.#bytes -= sizeOf(reply);
  }
}

function sizeOf({ bytes }: CachedReply): number {
  return bytes.length + ENTRY_BYTES;
}
