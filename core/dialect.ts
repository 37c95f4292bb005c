import type { BridgeFeature } from "./bridge_features.ts";
import type { ChatRequest, ChatResponse, StreamEvent } from "./chat.ts";
import type { DialectName } from "./dialect_name.ts";
import type { GatewayError } from "./errors.ts";
import type { RequestFeatures, WireFeatures } from "./features.ts";
import type { Json, JsonObject } from "./json.ts";
import type { RateStanding } from "./limits/standing.ts";
import type { CatalogModel, ListedModel } from "./listed_model.ts";
import type { Target } from "./snapshot.ts";
import type { Stepper } from "./stream.ts";
import type { ToolLimits } from "./tool_names.ts";
import type { UpstreamBill, UsageReport } from "./usage.ts";
import type { Edit, FieldEvent, SseFrame, WireBody, WireRequest } from "./wire.ts";

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
  /** Fields of a request that limit its output, in tokens; of several the first is meant. */
  readonly outputCapFields: readonly string[];
  /** Whether a request that is no call of any dialect (an unknown path, a model list) speaks this one. */
  speaks(path: string, headers: Headers): boolean;

  /**
   * The call of another dialect that a body on this dialect's path holds; `null`: none. Asked only
   * where the configuration tolerates it.
   *
   * @throws {GatewayError} when it has a field whose meaning is unclear on this path
   */
  readAsOther?(request: WireRequest): OtherDialect | null;
  /**
   * What eligibility and policies need, in one walk of the body.
   *
   * @throws {GatewayError} `invalid-request` (or a more exact 400) naming the field whose type is wrong
   */
  features(request: WireRequest): WireFeatures;
  /**
   * The edits a same-dialect request needs for a target: the model, and what the target demands.
   *
   * @param keeps whether the target's provider takes a proof of reasoning; empty: unsigned reasoning
   */
  edits(
    request: WireRequest,
    features: RequestFeatures,
    target: Target,
    keeps: (proof: string) => boolean,
  ): Edit[];
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

  /**
   * Reads a request into the neutral form. A feature that no bridge carries is reported, not refused.
   *
   * @throws {GatewayError} `invalid-request` naming the field that cannot be read
   */
  decodeRequest(wire: WireRequest): DecodedRequest;
  /**
   * Writes a request for a target of this dialect. Tools are within `toolLimits` already.
   *
   * @throws {GatewayError} `invalid-request` when this wire cannot hold the request at all
   */
  encodeRequest(request: ChatRequest, target: Target): EncodedRequest;
  /** Reads a unary reply that `readReply` accepts. Never throws. */
  decodeResponse(reply: WireBody): ChatResponse;
  /** Writes a unary reply for a caller of this dialect. */
  encodeResponse(response: ChatResponse, context: ReplyContext): JsonObject;
  /** Reads a stream. Never throws: what breaks it is a `message_end` with reason `error`. */
  decodeStream(): Stepper<SseFrame, StreamEvent>;
  /** Writes a stream for a caller of this dialect. */
  encodeStream(context: ReplyContext): StreamEncoder;
  /** What this wire can hold of tools. */
  readonly toolLimits: ToolLimits;
  /** A frame, blank line included, that keeps a silent stream open and means nothing. */
  readonly keepAlive: string;

  /** The JSON body of an error answer. */
  encodeError(error: GatewayError, requestId: string): JsonObject;
  /** The answer of a token counting path. */
  encodeTokenCount(tokens: number): JsonObject;
  /** The answer of a model list; `query` holds the caller's paging, if the dialect has any. */
  encodeModelList(models: readonly ListedModel[], query: URLSearchParams): JsonObject;
  /** The answer for one model. */
  encodeModel(model: ListedModel): JsonObject;
  /** A file of models that agents of this dialect are set up with. */
  readonly catalog?: ModelCatalog;
}

/** A body, as the dialect that it is really in reads it. */
export interface OtherDialect {
  readonly dialect: DialectName;
  readonly wire: WireRequest;
}

/** A file of models for agents. */
export interface ModelCatalog {
  readonly path: string;
  encode(models: readonly CatalogModel[]): JsonObject;
}

/** A request in the neutral form. */
export interface DecodedRequest {
  readonly request: ChatRequest;
  /** Features present that some or all bridges cannot carry. */
  readonly barriers: readonly BridgeFeature[];
}

/** A request for a target. */
export interface EncodedRequest {
  readonly body: JsonObject;
  /** What the caller's fields became where they did not simply cross. */
  readonly events: readonly FieldEvent[];
}

/** What the writer of a reply knows of its call. */
export interface ReplyContext {
  /** 32 hex digits: stands in for an upstream id that is missing. */
  readonly callId: string;
  /** The caller's own request: some wires repeat parts of it. */
  readonly request: ChatRequest;
}

/** Writes a stream. A `message_end` with reason `error` writes nothing: `fail` does. */
export interface StreamEncoder extends Stepper<StreamEvent, SseFrame> {
  /** Ends a stream that began with the dialect's own error. */
  fail(error: GatewayError, requestId: string): Iterable<SseFrame>;
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
  /** What the provider attached to its reasoning, one for each piece; empty: it came unsigned. */
  readonly proofs: readonly string[];
  /** What the provider says it bills, where it does. */
  readonly bill?: UpstreamBill;
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
