import type { AffinityOptions } from "./snapshot.ts";

/** What is known of the pin of a conversation: which target, or why there is none. */
export type FoundPin =
  | { readonly state: "hit"; readonly target: string }
  | { readonly state: "miss" | "expired" };

interface Pin {
  readonly target: string;
  /** Monotonic ms. */
  expiresAt: number;
}

/** Which target a conversation is served by, in one process. What was not used for longest goes first. */
export class Affinity {
  readonly #groups = new Map<string, Map<string, Pin>>();
  readonly #clock: () => number;

  /** `clock` is monotonic ms. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** The pin of a conversation; one that is `used` lives on from now. */
  find(
    group: string,
    key: string,
    { ttlMs, used }: Pick<AffinityOptions, "ttlMs"> & { readonly used: boolean },
  ): FoundPin {
    const pins = this.#groups.get(group);
    const pin = pins?.get(key);
    if (!pins || !pin) return { state: "miss" };
    if (this.#clock() >= pin.expiresAt) return { state: "expired" };
    if (used) {
      pin.expiresAt = this.#clock() + ttlMs;
      pins.delete(key);
      pins.set(key, pin);
    }
    return { state: "hit", target: pin.target };
  }

  /** Pins a conversation to a target. */
  pin(
    group: string,
    key: string,
    { target, ttlMs, maxEntries }: Pick<AffinityOptions, "ttlMs" | "maxEntries"> & {
      readonly target: string;
    },
  ): void {
    const pins = this.#groups.getOrInsertComputed(group, () => new Map());
    pins.delete(key);
    pins.set(key, { target, expiresAt: this.#clock() + ttlMs });
    for (const oldest of pins.keys()) {
      if (pins.size <= maxEntries) break;
      pins.delete(oldest);
    }
  }
}
