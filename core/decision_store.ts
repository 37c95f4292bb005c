import type { Command } from "commander";
import type { World } from "./command.ts";

/** How the price of a call's tokens falls apart; nano-USD, `null`: unpriced. */
export const COST_CLASSES = ["input", "cached_input", "cache_write", "output", "image"] as const;
export type CostClass = typeof COST_CLASSES[number];

/** A decision as it was recorded. */
export interface RecordedDecision {
  readonly requestId: string;
  readonly group: string;
  readonly configFingerprint: string;
  /** Name of the strategy that asked a policy; `null`: none was asked. */
  readonly policyKind: string | null;
  /** Of the policy that decided; `null`: none did. */
  readonly policyDigest: string | null;
  readonly engine: string;
  readonly seed: number;
  readonly contextZ: string;
  readonly contextSha256: string;
  /** The decision saw content, which is not stored. */
  readonly contentSha256: string | null;
  readonly planJson: string;
  /** `null` where it was not noted. */
  readonly planSha256: string | null;
}

/** A recorded decision, and what became of its call. Tokens as in `request_usage`. */
export interface RecordedCall extends RecordedDecision {
  readonly caller: string;
  /** `groupIndex` of the target that served, or was tried last; `null`: none was. */
  readonly servedIndex: number | null;
  readonly latencyMs: number;
  readonly tokens: {
    readonly input: number;
    readonly cachedInput: number;
    readonly cacheWrite: number;
    readonly output: number;
    readonly image: number | null;
    readonly imageCount: number;
  };
  readonly costNusd: Readonly<Record<CostClass | "total", bigint | null>>;
  /** Ids of targets that failed before it was served. */
  readonly failedTargets: readonly string[];
}

/** A place in the order of records: by time, then by id. */
export interface RecordPlace {
  readonly ts: number;
  readonly requestId: string;
}

/** Records behind a place, up to and including another one. */
export interface RecordPage {
  readonly after: RecordPlace;
  readonly to: RecordPlace;
  readonly count: number;
}

/** How many records there are in a page, and in all pages. */
export interface PageCut {
  readonly size: number;
  readonly limit: number;
}

/** Which records; `since <= ts < until`, epoch ms. */
export interface RecordFilter {
  readonly group: string | null;
  readonly since: number;
  readonly until: number;
}

/** A policy as it is stored. */
export interface StoredBundle {
  readonly manifestJson: string;
  /** As its packing says; the digest tells whether it is whole. */
  readonly bundleZ: string;
}

/** How commands come to recorded decisions. */
export interface DecisionArchive {
  /** Adds the flags that say which database. */
  withFlags(command: Command): Command;
  /**
   * The place that the flags name: plain data, so that other threads may open it.
   *
   * @throws {ExitError} code 2 when the flags do not fit together
   */
  placeOf(flags: object, world: World): Promise<unknown>;
  open(place: unknown): Promise<DecisionStore>;
  /** Address of a module that exports `openDecisionStore`, for other threads. */
  readonly module: string;
  /**
   * Reads a point in time, or a span such as `7d` before `now`; epoch ms.
   *
   * @throws {RangeError}
   */
  timeOf(text: string, now: number): number;
}

/** Where recorded decisions are read from; every call throws what the database says. */
export interface DecisionStore extends AsyncDisposable {
  count(filter: RecordFilter): Promise<number>;
  /** Cuts the first `limit` records in pages of at most `size`, in order. */
  pages(filter: RecordFilter, cut: PageCut): AsyncIterable<RecordPage>;
  /** The records of a page, in order. */
  read(filter: RecordFilter, page: RecordPage): Promise<readonly RecordedCall[]>;
  /** One decision; `null`: it is not recorded. */
  find(requestId: string): Promise<RecordedDecision | null>;
  /** `static_z` of a group under a configuration. */
  statics(configFingerprint: string, group: string): Promise<string | null>;
  bundle(digest: string): Promise<StoredBundle | null>;
}
