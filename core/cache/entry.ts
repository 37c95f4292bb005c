import type { Usage } from "../usage.ts";

/** An answer as it was given, and what its row needs. */
export interface CachedReply {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly provider: string;
  readonly model: string;
  readonly servedModel: string | null;
  readonly finishReason: string | null;
  readonly usage: Omit<Usage, "source">;
  /** What the call that filled it cost, nano-USD; `null`: unpriced. */
  readonly costNusd: number | null;
  /** Epoch ms. */
  readonly storedAt: number;
  readonly expiresAt: number;
}

/** Whether a reply may still be given; one of the future was kept before the clock stepped back. */
export function isFresh({ storedAt, expiresAt }: CachedReply, now: number): boolean {
  return storedAt <= now && now < expiresAt;
}

/** A second, larger place for replies that outlives the process. Never throws; a fault is a miss. */
export interface CacheStore {
  get(key: string): Promise<CachedReply | null>;
  /** Not waited for. */
  set(key: string, reply: CachedReply): void;
}

/** Why a call is not answered from the cache, or its reply not kept; a closed list. */
export type CacheReason =
  | "cache-disabled"
  | "cache-request-no-cache"
  | "cache-streaming"
  | "cache-tool-request"
  | "cache-image-request"
  | "cache-structured-output"
  | "cache-stateful"
  | "cache-temperature"
  | "cache-not-stored";

/** What the cache did for a call. */
export interface CacheOutcome {
  readonly status: "hit" | "miss" | "bypass";
  /** Why it was bypassed, or that a miss was not kept; none otherwise. */
  readonly reasons: readonly CacheReason[];
  /** Under which its reply is kept; `null`: it is not. */
  readonly key: string | null;
  readonly reply: CachedReply | null;
}
