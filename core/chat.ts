import type { DialectName } from "./dialect_name.ts";
import type { Json, JsonObject } from "./json.ts";
import type { UpstreamError } from "./upstream_error.ts";
import type { UsageReport } from "./usage.ts";

/**
 * The neutral form: where two dialects meet. A bridge decodes the caller's wire into it and encodes
 * the target's wire from it, and the reply the other way. All of it is plain data.
 */
export interface ChatRequest {
  /** The dialect it was read from. */
  readonly caller?: DialectName;
  /** The group on the way in, the upstream id on the way out. */
  readonly model: string;
  /** Anthropic `system`, Responses `instructions`: text parts. Chat system turns stay in `messages`. */
  readonly instructions: readonly Part[];
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  /** Absent: the caller sent no key. */
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
  readonly output: OutputFormat;
  readonly reasoning?: Reasoning;
  /** The caller's own cap, tokens. */
  readonly maxOutputTokens?: number;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  readonly stream: boolean;
  /** Whether a Chat caller asked for a stream's usage; true on the other dialects. */
  readonly includeUsage: boolean;
  /** `prompt_cache_key`. */
  readonly cacheKey?: string;
  /** A `cache_control` on the request itself. */
  readonly cacheAuto: boolean;
  readonly verbosity?: "low" | "medium" | "high";
  readonly user?: string;
  readonly extra: Extra;
}

/**
 * Wire fields without a neutral meaning, by dialect; only that dialect writes them back. `beside` has
 * those of a second thing in which its wire says the same: of a piece within its item, of a namespace
 * around its tool.
 */
export type Extra = { readonly [Name in DialectName | "beside"]?: JsonObject };

/** A prompt cache marker on a part or a tool. */
export interface CacheMarker {
  /** As sent, for example `5m`. */
  readonly ttl?: string;
  readonly spelling: "cache_control" | "prompt_cache_breakpoint";
}

/** How a tool takes its input: a JSON object, or free text. */
export type ToolForm = "function" | "custom";

/** What shape the reply's text must have. */
export type OutputFormat =
  | { readonly type: "text" }
  | { readonly type: "json" }
  | {
    readonly type: "schema";
    readonly name?: string;
    readonly description?: string;
    readonly schema: JsonObject;
    readonly strict?: boolean | null;
  };

/** Sampling parameters as the caller sent them. */
export interface Sampling {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
}

/** One turn. */
export interface Message {
  readonly role: "system" | "developer" | "user" | "assistant" | "tool";
  readonly name?: string;
  readonly parts: readonly Part[];
  readonly extra: Extra;
}

/** A piece of a turn or of a reply. */
export type Part =
  & { readonly cache?: CacheMarker; readonly extra: Extra }
  & (
    | { readonly type: "text" | "refusal"; readonly text: string }
    | {
      readonly type: "image";
      readonly source: ImageSource;
      readonly detail?: "auto" | "low" | "high" | "original";
    }
    | {
      readonly type: "reasoning";
      readonly text: string;
      readonly summary: boolean;
      readonly proof?: Proof;
    }
    | {
      readonly type: "tool_call";
      readonly id: string;
      readonly name: string;
      readonly namespace?: string;
      readonly form: ToolForm;
      /** JSON text of a function's arguments exactly as sent, or the free text of a custom tool. */
      readonly input: string;
    }
    | {
      readonly type: "tool_result";
      readonly callId: string;
      readonly form: ToolForm;
      /** Text and images. */
      readonly parts: readonly Part[];
      readonly isError: boolean;
    }
    // A piece that only its own dialect carries; `isItem`: it stands beside messages, in none.
    | {
      readonly type: "opaque";
      readonly dialect: DialectName;
      readonly value: Json;
      readonly isItem?: true;
    }
  );

/** A part of one type. */
export type PartOf<Type extends Part["type"]> = Extract<Part, { readonly type: Type }>;

/** Where an image is; `data` is base64. */
export type ImageSource =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "file"; readonly fileId: string }
  | { readonly kind: "base64"; readonly mediaType: string; readonly data: string };

/**
 * What a provider attached to its reasoning so that it recognises it later. Opaque: never made,
 * edited or cut.
 */
export interface Proof {
  /** `call`: it belongs to the tool call that follows, and to no text. */
  readonly kind: "signature" | "redacted" | "encrypted" | "call";
  /** The dialect whose provider made it. */
  readonly dialect: DialectName;
  readonly value: string;
  /** Id of the item it came with. */
  readonly id?: string;
}

/** A tool the caller offers. */
export type Tool =
  & { readonly cache?: CacheMarker; readonly extra: Extra }
  & (
    | { readonly form: "opaque"; readonly dialect: DialectName; readonly value: JsonObject }
    | FunctionTool
    | CustomTool
  );

/** A tool that takes a JSON object. */
export interface FunctionTool {
  readonly form: "function";
  readonly name: string;
  readonly namespace?: string;
  readonly description?: string;
  /** JSON schema. */
  readonly parameters?: JsonObject;
  readonly strict?: boolean | null;
}

/** A tool that takes free text. */
export interface CustomTool {
  readonly form: "custom";
  readonly name: string;
  readonly namespace?: string;
  readonly description?: string;
  readonly format?: { readonly type: "text" } | {
    readonly type: "grammar";
    readonly syntax: "lark" | "regex";
    readonly definition: string;
  };
}

/** How the reply chooses among the tools. */
export type ToolChoice =
  | { readonly mode: "null" | "auto" | "none" | "required" }
  | {
    readonly mode: "tool";
    readonly name: string;
    readonly namespace?: string;
    readonly form: ToolForm;
  }
  | {
    readonly mode: "allowed";
    readonly force: boolean;
    readonly tools: readonly { readonly name: string; readonly namespace?: string }[];
  };

/** How much effort a reply spends on reasoning. */
export type Effort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";

/** What the caller asks of reasoning. */
export interface Reasoning {
  readonly mode: "effort" | "budget" | "adaptive" | "off";
  readonly budgetTokens?: number;
  readonly effort?: Effort;
  readonly summary?: string;
  readonly extra: Extra;
}

/** A whole reply. */
export interface ChatResponse {
  /** The upstream's; empty when it sent none. */
  readonly id: string;
  readonly model: string;
  /** Unix seconds; 0 when the upstream sent none. */
  readonly createdAt: number;
  readonly parts: readonly Part[];
  readonly finish: Finish;
  readonly usage: UsageReport;
  readonly extra: Extra;
}

/** Why a reply ended. */
export interface Finish {
  readonly reason:
    | "stop"
    | "length"
    | "stop_sequence"
    | "context_full"
    | "tool_calls"
    | "content_filter"
    | "refusal"
    | "pause"
    | "error";
  /** The stop sequence that was met. */
  readonly sequence?: string;
  /** With reason `error`. */
  readonly error?: UpstreamError;
}

/**
 * A reply as it arrives: one `message_start`, parts whose deltas lie between their start and end, one
 * `message_end`, nothing after it. Several parts may be open at once; indexes count 0, 1, 2, ... in
 * order of start.
 */
export type StreamEvent =
  | {
    readonly type: "message_start";
    readonly id: string;
    readonly model: string;
    readonly createdAt: number;
    readonly usage: UsageReport;
    readonly extra: Extra;
  }
  | { readonly type: "part_start"; readonly index: number; readonly part: PartHead }
  | { readonly type: "part_delta"; readonly index: number; readonly text: string }
  | {
    readonly type: "part_end";
    readonly index: number;
    readonly proof?: Proof;
    readonly extra?: Extra;
  }
  | {
    readonly type: "message_end";
    readonly finish: Finish;
    readonly usage: UsageReport;
    readonly extra: Extra;
    /** A closing value differed from what was streamed; what was streamed stands. */
    readonly mismatch?: true;
  };

/** What is known of a part when it starts. */
export type PartHead =
  | { readonly type: "text" | "refusal"; readonly extra?: Extra }
  | { readonly type: "reasoning"; readonly summary: boolean }
  | {
    readonly type: "tool_call";
    readonly id: string;
    readonly name: string;
    readonly namespace?: string;
    readonly form: ToolForm;
  }
  | { readonly type: "opaque"; readonly dialect: DialectName; readonly value: Json };
