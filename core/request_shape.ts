import type { Call } from "./call.ts";
import type { BodyShape, BodySign, RequestFeatures } from "./features.ts";
import type { Fingerprints } from "./fingerprints.ts";
import type { Row } from "./record.ts";

/** Upper bounds and names of buckets; what is above the last bound has the last name. */
type Buckets = readonly (readonly [bound: number, name: string])[];

const KiB = 1_024;
const BYTES: Buckets = [
  [0, "none"],
  [KiB, "1b-1kb"],
  [16 * KiB, "1kb-16kb"],
  [64 * KiB, "16kb-64kb"],
  [256 * KiB, "64kb-256kb"],
  [KiB * KiB, "256kb-1mb"],
  [Infinity, "gt-1mb"],
];
const INPUT_TOKENS: Buckets = [
  [0, "none"],
  [256, "1-256"],
  [KiB, "257-1k"],
  [4 * KiB, "1k-4k"],
  [16 * KiB, "4k-16k"],
  [64 * KiB, "16k-64k"],
  [200_000, "64k-200k"],
  [Infinity, "gt-200k"],
];
const OUTPUT_CAP: Buckets = [
  [256, "1-256"],
  [KiB, "257-1k"],
  [4 * KiB, "1k-4k"],
  [16 * KiB, "4k-16k"],
  [64 * KiB, "16k-64k"],
  [Infinity, "gt-64k"],
];
const REASONING_BUDGET: Buckets = [
  [0, "none"],
  [1_024, "tiny"],
  [2_048, "small"],
  [8_192, "medium"],
  [24_576, "large"],
  [Infinity, "xlarge"],
];

/** One character for each byte: two texts are equal where their bytes are. */
const latin1 = new TextDecoder("latin1");

/**
 * The row of `request_shapes` of a call, but for what the call's own row says: counts, buckets and
 * flags, never content. `null` when the body was not read.
 */
export function requestShape(call: Call, fingerprints: Fingerprints): Row | null {
  const { features, group, wire, wireFeatures } = call;
  if (!features || !group || !wireFeatures) return null;
  const shape = shapeOf(features, wireFeatures.shape);
  const tools = wire?.members.get("tools");
  return {
    ...shape,
    request_shape_fingerprint: fingerprints.of(JSON.stringify(shape)),
    tool_schema_fingerprint: wire && tools && features.toolCount > 0
      ? fingerprints.of(latin1.decode(wire.bytes.subarray(tools.start, tools.end)))
      : undefined,
  };
}

/** How large a request is, roughly: names of buckets, for its row and for the caller of a failed call. */
export function shapeBuckets(features: RequestFeatures, body: BodyShape) {
  const { reasoning, outputCap } = features;
  return {
    reasoning_effort_bucket: reasoning.effort ?? "none",
    reasoning_budget_bucket: bucket(REASONING_BUDGET, reasoning.budgetTokens ?? 0),
    input_text_bytes_bucket: bucket(BYTES, body.inputTextBytes),
    tool_schema_bytes_bucket: bucket(BYTES, features.toolSchemaBytes),
    total_request_bytes_bucket: bucket(BYTES, features.requestBytes),
    estimated_input_tokens_bucket: bucket(INPUT_TOKENS, features.estimatedInputTokens),
    requested_output_cap_field: features.outputCapField ?? undefined,
    requested_output_cap_bucket: outputCap === null ? "omitted" : bucket(OUTPUT_CAP, outputCap),
  };
}

function shapeOf(features: RequestFeatures, body: BodyShape): Row {
  const present = (sign: BodySign) => flag(body.present.includes(sign));
  return {
    tool_choice_mode: features.toolChoice,
    ...shapeBuckets(features, body),
    stream: flag(features.stream),
    parallel_tool_calls_present: flag(features.parallelToolCalls !== null),
    response_format_present: present("response_format"),
    structured_output_present: flag(features.structuredOutput !== "none"),
    reasoning_present: flag(features.reasoning.requested),
    include_present: present("include"),
    truncation_present: present("truncation"),
    metadata_present: flag(features.metadataKeys.length > 0),
    store_present: present("store"),
    previous_response_id_present: flag(features.previousResponseId),
    audio_present: flag(features.audioCount > 0),
    video_present: present("video"),
    cache_control_present: present("cache_control"),
    input_item_count: body.inputItems,
    message_count: features.messageCount,
    system_message_count: body.systemMessages,
    developer_message_count: body.developerMessages,
    user_message_count: features.turnCount,
    assistant_message_count: body.assistantMessages,
    tool_result_count: body.toolResults,
    function_call_output_count: body.functionCallOutputs,
    tool_count: features.toolCount,
    image_count: features.imageCount,
  };
}

/** The bucket of a number of bytes. */
export function sizeBucket(bytes: number): string {
  return bucket(BYTES, bytes);
}

/** The bucket of an output cap, tokens. */
export function capBucket(tokens: number): string {
  return bucket(OUTPUT_CAP, tokens);
}

function bucket(buckets: Buckets, value: number): string {
  return buckets.find(([bound]) => value <= bound)![1];
}

/** A flag that is not set is the default of its column. */
function flag(value: boolean): 1 | undefined {
  return value ? 1 : undefined;
}
