import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { parseJson } from "@/core/parse_json.ts";
import type { SseFrame } from "@/core/wire.ts";
import { anthropicError } from "./anthropic_error.ts";
import { readMessages } from "./anthropic_reader.ts";
import { type Finish, type Part, type Reply, type Usage, valueOf } from "./reply.ts";
import type { WireFormat } from "./wire_format.ts";

/** Messages: `message`, or `message_start` to `message_stop`. */
export const anthropicMessages: WireFormat = {
  path: "/v1/messages",
  read: readMessages,
  write: writeMessage,
  *stream(reply) {
    for (const event of events(reply)) yield frame(event);
  },
  writeError: anthropicError,
  errorFrame: (fault, requestId) => frame(anthropicError(fault, requestId)),
};

const STOP_REASONS: Readonly<Record<Finish, string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
};

function frame(event: JsonObject): SseFrame {
  return { event: String(event["type"]), data: JSON.stringify(event) };
}

function writeMessage(reply: Reply): JsonObject {
  return {
    ...head(reply),
    content: reply.parts.map((part) => writeBlock(part, reply.seed)),
    stop_reason: reply.finish && STOP_REASONS[reply.finish],
    usage: reply.usage ? writeUsage(reply.usage) : {},
  };
}

function* events(reply: Reply): Iterable<JsonObject> {
  // The first event already counts the token the provider is about to send.
  const first = reply.usage && { ...reply.usage, output: 1, reasoning: 0 };
  yield {
    type: "message_start",
    message: { ...head(reply), usage: first ? writeUsage(first) : {} },
  };
  for (const [index, part] of reply.parts.entries()) {
    yield { type: "content_block_start", index, content_block: openBlock(part) };
    if (index === 0) yield { type: "ping" };
    for (const delta of deltas(part)) yield { type: "content_block_delta", index, delta };
    if (reply.finish === null) return;
    if (part.type === "reasoning") {
      const delta = { type: "signature_delta", signature: signature(reply.seed) };
      yield { type: "content_block_delta", index, delta };
    }
    yield { type: "content_block_stop", index };
  }
  if (reply.finish === null) return;
  const stop = { stop_reason: STOP_REASONS[reply.finish], stop_sequence: null };
  yield {
    type: "message_delta",
    delta: { ...stop, stop_details: null, container: null },
    usage: reply.usage ? writeCumulativeUsage(reply.usage) : {},
  };
  yield { type: "message_stop" };
}

function head(reply: Reply): JsonObject {
  return {
    id: `msg_${reply.seed}`,
    type: "message",
    role: "assistant",
    model: reply.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
  };
}

function openBlock(part: Part): JsonObject {
  switch (part.type) {
    case "text":
      return { type: "text", text: "" };
    case "reasoning":
      return { type: "thinking", thinking: "", signature: "" };
    case "tool_call":
      return { type: "tool_use", id: `toolu_${part.callId}`, name: part.tool.name, input: {} };
  }
}

function writeBlock(part: Part, seed: string): JsonObject {
  switch (part.type) {
    case "text":
      return { ...openBlock(part), text: valueOf(part) };
    case "reasoning":
      return { ...openBlock(part), thinking: valueOf(part), signature: signature(seed) };
    case "tool_call":
      return { ...openBlock(part), input: parsed(valueOf(part)) };
  }
}

function* deltas(part: Part): Iterable<JsonObject> {
  // The provider opens every call with an empty piece.
  if (part.type === "tool_call") yield { type: "input_json_delta", partial_json: "" };
  for (const piece of part.frames) {
    switch (part.type) {
      case "text":
        yield { type: "text_delta", text: piece };
        break;
      case "reasoning":
        yield { type: "thinking_delta", thinking: piece };
        break;
      case "tool_call":
        yield { type: "input_json_delta", partial_json: piece };
    }
  }
}

/** Arguments cut by the cap are no JSON any more; a unary reply can only leave them out. */
function parsed(value: string): JsonObject {
  try {
    const input: Json = parseJson(value);
    return isObject(input) ? input : {};
  } catch {
    return {};
  }
}

function signature(seed: string): string {
  return btoa(`echo:${seed}`);
}

function writeUsage(usage: Usage): JsonObject {
  return {
    ...writeCumulativeUsage(usage),
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    service_tier: "standard",
  };
}

function writeCumulativeUsage({ input, output, reasoning }: Usage): JsonObject {
  return {
    input_tokens: input,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: output,
    ...(reasoning > 0 ? { output_tokens_details: { thinking_tokens: reasoning } } : {}),
  };
}
