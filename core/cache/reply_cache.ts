import type { CacheSettings } from "../snapshot.ts";
import { type CachedReply, type CacheStore, isFresh } from "./entry.ts";
import { ReplyMemory } from "./memory.ts";

/** Whoever asks for a reply, as far as the cache cares: it may leave while it waits. */
export interface Asker {
  readonly cut: unknown;
  onCut: ((asker: never) => void) | null;
}

/** One who fetches what others wait for. */
interface Flight {
  readonly asker: Asker;
  readonly landed: PromiseWithResolvers<CachedReply | null>;
}

/** Replies to equal requests, in memory and perhaps in a second place behind it. */
export class ReplyCache {
  readonly #memory = new ReplyMemory();
  readonly #store: CacheStore | null;
  readonly #now: () => number;
  readonly #flights = new Map<string, Flight>();

  /** @param now epoch ms */
  constructor(store: CacheStore | null, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** What is in memory, for rows. */
  get size(): { readonly items: number; readonly bytes: number } {
    return { items: this.#memory.items, bytes: this.#memory.bytes };
  }

  /**
   * Finds a reply. Others with the same key wait for the first, and go their own way when it brings
   * nothing, or when they were cut.
   */
  find(
    key: string,
    asker: Asker,
    settings: CacheSettings,
  ): CachedReply | null | Promise<CachedReply | null> {
    const reply = this.#memory.get(key, this.#now());
    if (reply !== null) return reply;
    const flight = this.#flights.get(key);
    if (flight) return follow(asker, flight);
    this.#flights.set(key, { asker, landed: Promise.withResolvers() });
    return this.#store === null ? null : this.#findBehind(this.#store, key, settings);
  }

  /** Keeps a reply; false when it is too large. */
  keep(key: string, reply: CachedReply, settings: CacheSettings): boolean {
    if (reply.bytes.length > settings.maxEntryBytes) return false;
    this.#memory.set(key, reply, settings.maxBytes);
    if (reply.bytes.length <= settings.secondLevel.maxEntryBytes) this.#store?.set(key, reply);
    return true;
  }

  /** Whoever fetched has ended: those that wait get what it brought. */
  land(key: string, asker: Asker): void {
    const flight = this.#flights.get(key);
    if (flight?.asker !== asker) return;
    this.#flights.delete(key);
    flight.landed.resolve(this.#memory.get(key, this.#now()));
  }

  async #findBehind(
    store: CacheStore,
    key: string,
    { maxBytes }: CacheSettings,
  ): Promise<CachedReply | null> {
    const reply = await store.get(key);
    if (reply === null || !isFresh(reply, this.#now())) return null;
    this.#memory.set(key, reply, maxBytes);
    return reply;
  }
}

async function follow(asker: Asker, { landed }: Flight): Promise<CachedReply | null> {
  if (asker.cut !== null) return null;
  const cut = Promise.withResolvers<null>();
  asker.onCut = () => cut.resolve(null);
  const reply = await Promise.race([landed.promise, cut.promise]);
  asker.onCut = null;
  return reply;
}
