import type { Estimated } from "./calibration.ts";

/** How a request chooses among its tools. */
export type ToolChoiceMode = "omitted" | "auto" | "none" | "required" | "named" | "null";

/** What a request asks of reasoning. */
export interface RequestedReasoning {
  readonly requested: boolean;
  readonly kind: "none" | "effort" | "budget";
  readonly effort: string | null;
  readonly budgetTokens: number | null;
  /** The wire field that asked; `null` when none did. */
  readonly source: string | null;
}

/** Members and markers of a body that reports tell of; columns of `request_shapes`. */
export type BodySign =
  | "cache_control"
  | "include"
  | "response_format"
  | "store"
  | "truncation"
  | "video";

/** What a body is made of, for reports alone: nothing is decided by it. */
export interface BodyShape {
  /** UTF-8 bytes of all text that counts as input. */
  readonly inputTextBytes: number;
  /** Items of an input; 0 where a dialect has messages. */
  readonly inputItems: number;
  readonly systemMessages: number;
  readonly developerMessages: number;
  readonly assistantMessages: number;
  readonly toolResults: number;
  readonly functionCallOutputs: number;
  readonly present: readonly BodySign[];
}

/** What a dialect reads from a body. Counts are numbers of pieces, characters or tokens as named. */
export interface WireFeatures {
  readonly stream: boolean;
  readonly temperatureSet: boolean;
  readonly streamOptions: boolean;
  /** Whether a stream's usage is the caller's to see; false when only the gateway asks for it. */
  readonly usageAsked: boolean;
  readonly previousResponseId: boolean;
  readonly messageCount: number;
  /** Messages of the user. */
  readonly turnCount: number;
  readonly textChars: number;
  readonly messageTextChars: number;
  readonly toolCount: number;
  readonly hasToolResults: boolean;
  /** Hosted tool types present, sorted. */
  readonly hostedTools: readonly string[];
  readonly toolChoice: ToolChoiceMode;
  readonly structuredOutput: "none" | "json_object" | "json_schema";
  readonly parallelToolCalls: boolean | null;
  readonly imageCount: number;
  readonly audioCount: number;
  readonly fileCount: number;
  readonly inputModalities: readonly string[];
  readonly outputModalities: readonly string[];
  /** The caller's own cap; `null` when it sent none. */
  readonly outputCap: number | null;
  readonly outputCapField: string | null;
  readonly reasoning: RequestedReasoning;
  readonly metadataKeys: readonly string[];
  /** Replies asked for (Chat `n`), at least 1. */
  readonly choices: number;
  /** ASCII characters and other code points of all text that counts as input. */
  readonly asciiChars: number;
  readonly otherChars: number;
  /** Tokens of audio and file parts. */
  readonly mediaTokens: number;
  /** Every URL as sent that a provider fetches for a part, mostly an image's; never stored. */
  readonly imageUrls: readonly string[];
  readonly shape: BodyShape;
}

/** Everything eligibility, strategies and policies know of a request. */
export interface RequestFeatures extends Omit<WireFeatures, "imageUrls" | "shape"> {
  /** After content decoding. */
  readonly requestBytes: number;
  /** UTF-8 bytes of `tools` as sent. */
  readonly toolSchemaBytes: number;
  /** `outputCap`, else the group's default, times `choices`. */
  readonly reservedOutputTokens: number;
  readonly estimatedInputTokens: number;
  readonly estimatedToolTokens: number;
  readonly estimatedImageTokens: number;
  readonly complexity: "trivial" | "standard" | "complex" | "extreme";
}

/** What a group contributes to the features of a request. */
export interface GroupEstimates {
  /** Tokens an image counts for: the largest of the group's enabled targets. */
  readonly imageTokens: number;
  /** Output tokens reserved without a caller's cap: the largest of the group's targets. */
  readonly defaultOutputTokens: number;
}

/**
 * Completes the features of a request for a group.
 *
 * The token estimate is method `chars`, version `1`:
 * `ceil(ASCII characters / 4 + other code points) + ceil(tool schema bytes / 4) + image tokens +
 * media + 4 per message + 3`.
 */
export function completeFeatures(
  wire: WireFeatures,
  sizes: { readonly requestBytes: number; readonly toolSchemaBytes: number },
  group: GroupEstimates,
): RequestFeatures {
  const estimatedToolTokens = Math.ceil(sizes.toolSchemaBytes / 4);
  const estimatedImageTokens = wire.imageCount * group.imageTokens;
  const estimatedInputTokens = Math.ceil(wire.asciiChars / 4 + wire.otherChars) +
    estimatedToolTokens + estimatedImageTokens + wire.mediaTokens + 4 * wire.messageCount + 3;
  // Member by member: image URLs and the shape stay behind, and one literal is several times cheaper than spreads.
  return {
    stream: wire.stream,
    temperatureSet: wire.temperatureSet,
    streamOptions: wire.streamOptions,
    usageAsked: wire.usageAsked,
    previousResponseId: wire.previousResponseId,
    messageCount: wire.messageCount,
    turnCount: wire.turnCount,
    textChars: wire.textChars,
    messageTextChars: wire.messageTextChars,
    toolCount: wire.toolCount,
    hasToolResults: wire.hasToolResults,
    hostedTools: wire.hostedTools,
    toolChoice: wire.toolChoice,
    structuredOutput: wire.structuredOutput,
    parallelToolCalls: wire.parallelToolCalls,
    imageCount: wire.imageCount,
    audioCount: wire.audioCount,
    fileCount: wire.fileCount,
    inputModalities: wire.inputModalities,
    outputModalities: wire.outputModalities,
    outputCap: wire.outputCap,
    outputCapField: wire.outputCapField,
    reasoning: wire.reasoning,
    metadataKeys: wire.metadataKeys,
    choices: wire.choices,
    asciiChars: wire.asciiChars,
    otherChars: wire.otherChars,
    mediaTokens: wire.mediaTokens,
    requestBytes: sizes.requestBytes,
    toolSchemaBytes: sizes.toolSchemaBytes,
    reservedOutputTokens: (wire.outputCap ?? group.defaultOutputTokens) * wire.choices,
    estimatedInputTokens,
    estimatedToolTokens,
    estimatedImageTokens,
    complexity: complexity(wire, estimatedInputTokens),
  };
}

/** What an estimate of a request depends on. */
export function estimated(
  { estimatedInputTokens, inputModalities }: RequestFeatures,
): Estimated {
  return {
    base: estimatedInputTokens,
    hasMedia: inputModalities.some((kind) => kind !== "text"),
  };
}

/** A point for each sign of a demanding request: 0 trivial, 1-2 standard, 3-5 complex, else extreme. */
function complexity(wire: WireFeatures, estimate: number): RequestFeatures["complexity"] {
  const points = Number(estimate >= 2_000) + Number(estimate >= 16_000) +
    Number(estimate >= 64_000) + Number(wire.toolCount >= 1) + Number(wire.toolCount >= 10) +
    Number(wire.imageCount > 0) + Number(wire.structuredOutput !== "none") +
    Number(wire.reasoning.requested) + Number(wire.messageCount >= 20) +
    Number((wire.outputCap ?? 0) >= 8_192);
  if (points === 0) return "trivial";
  if (points <= 2) return "standard";
  return points <= 5 ? "complex" : "extreme";
}
