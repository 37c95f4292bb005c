import type { DialectName } from "./dialect_name.ts";
import type { GatewayError } from "./errors.ts";
import type { RequestFeatures, WireFeatures } from "./features.ts";
import type { Json, JsonObject } from "./json.ts";
import type { RateStanding } from "./limits/standing.ts";
import type { ListedModel } from "./listed_model.ts";
import type { Target } from "./snapshot.ts";
import type { UsageReport } from "./usage.ts";
import type { Edit, SseFrame, WireRequest } from "./wire.ts";

/**
 * One wire format. Every function is pure and synchronous: no fetch, clock, randomness, environment
 * or configuration beyond its arguments.
 */
export interface Dialect {
  readonly name: DialectName;
  /** Label of the endpoint in usage rows: `chat`, `responses` or `messages`. */
  readonly endpoint: string;
  /** Paths whose POST makes a call. */
  readonly paths: readonly string[];
  /** Paths whose POST counts the tokens of a call without making it. */
  readonly countPaths: readonly string[];
  /** Response headers that carry the call's id. */
  readonly requestIdHeaders: readonly string[];
  /** How a provider of this dialect takes its credential unless configured otherwise. */
  readonly authScheme: "bearer" | "x-api-key";
  /** Whether a request that is no call of any dialect (an unknown path, a model list) speaks this one. */
  speaks(path: string, headers: Headers): boolean;

  /**
   * What eligibility and policies need, in one walk of the body.
   *
   * @throws {GatewayError} `invalid-request` (or a more exact 400) naming the field whose type is wrong
   */
  features(request: WireRequest): WireFeatures;
  /** The edits a same-dialect request needs for a target: the model, and what the target demands. */
  edits(request: WireRequest, features: RequestFeatures, target: Target): Edit[];
  /** Where calls go at a provider; `search` is the caller's query string with `?`, or empty. */
  upstreamUrl(baseUrl: string, search: string): string;
  /** Caller headers that go to a provider of the same dialect, lower-case names, defaults included. */
  upstreamHeaders(headers: Headers): Record<string, string>;

  /** Reads a unary reply; `null` when the body is no reply of this dialect. Never throws. */
  readReply(body: Json): ReplyFacts | null;
  /** Reads a stream of replies as it passes. */
  tap(options: TapOptions): Tap;

  /** Response headers that tell how the caller's rate limits stand, as its SDK knows them. */
  limitHeaders(rate: RateStanding): Record<string, string>;
  /** The JSON body of an error answer. */
  encodeError(error: GatewayError, requestId: string): JsonObject;
  /** The answer of a token counting path. */
  encodeTokenCount(tokens: number): JsonObject;
  /** The answer of a model list; `query` holds the caller's paging, if the dialect has any. */
  encodeModelList(models: readonly ListedModel[], query: URLSearchParams): JsonObject;
  /** The answer for one model. */
  encodeModel(model: ListedModel): JsonObject;
}

/** What the gateway learns from a reply of a provider. */
export interface ReplyFacts {
  /** `null` when the provider reported none. */
  readonly usage: UsageReport | null;
  /** The model the provider named. */
  readonly servedModel: string | null;
  /** The finish or stop reason in the provider's own word. */
  readonly finishReason: string | null;
  /** UTF-8 bytes of text, reasoning, refusals and tool arguments. */
  readonly contentBytes: number;
  readonly toolCalls: number;
}

/** How a tap is asked to read. */
export interface TapOptions {
  /** True when only the gateway asked for the usage frame, so it must not reach the caller. */
  readonly withholdUsage: boolean;
}

/**
 * What a frame means to the relay. `preamble`: proves nothing yet (role-only chunk, ping, created).
 * `content`: text, reasoning, refusal or tool call. `terminal`: the reply is complete. `error`: the
 * provider reports a failure. `withheld`: read, and not passed on. `other`: passed on, decides nothing.
 */
export type FrameKind = "preamble" | "content" | "terminal" | "error" | "withheld" | "other";

/** A reader beside a stream: it never delays, changes or throws. */
export interface Tap {
  read(frame: SseFrame): FrameKind;
  /** What was learned so far. */
  facts(): ReplyFacts;
  /** The error value of the last `error` frame, as the wire had it. */
  fault(): JsonObject | null;
  /**
   * Whether a stream that closed now would be complete: its terminal event was seen, or the dialect
   * allows it to close after a finish reason.
   */
  complete(): boolean;
  /** The frame (or frames), blank line included, that ends a committed stream with an error. */
  errorFrame(error: GatewayError, requestId: string): string;
}
