import { type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import type { SseFrame } from "@/core/wire.ts";
import { openaiError } from "./openai_error.ts";
import { fullItem, openItem, type Place, placesOf } from "./openai_responses_items.ts";
import { summaryPart, textPart } from "./openai_responses_items.ts";
import { readResponses } from "./openai_responses_reader.ts";
import { type Reply, type Usage, valueOf } from "./reply.ts";
import type { Fault, WireFormat } from "./wire_format.ts";

/** Responses: a `response` object, or its events up to the terminal one. */
export const openaiResponses: WireFormat = {
  path: "/responses",
  read: readResponses,
  write: writeResponse,
  *stream(reply, body) {
    let position = 0;
    for (const { type, ...fields } of events(reply, body)) {
      yield frame({ type, sequence_number: position, ...fields });
      position += 1;
    }
  },
  writeError: (fault) => ({ error: openaiError(fault, "input") }),
  errorFrame: (fault, _, position) => frame(errorEvent(fault, position)),
};

function frame(event: JsonObject): SseFrame {
  return { event: textOrEmpty(event["type"]), data: JSON.stringify(event) };
}

function errorEvent(fault: Fault, position: number): JsonObject {
  const { code, message, param, type } = openaiError(fault, "input");
  return { type: "error", sequence_number: position, code: code ?? type, message, param };
}

function* events(reply: Reply, body: JsonObject): Iterable<JsonObject> {
  const opening = skeleton(reply, body);
  yield { type: "response.created", response: opening };
  yield { type: "response.in_progress", response: opening };
  for (const place of placesOf(reply)) {
    yield { type: "response.output_item.added", output_index: place.index, item: openItem(place) };
    yield* inside(place, reply.finish !== null);
    if (reply.finish === null) return;
    const item = fullItem(place, reply);
    yield { type: "response.output_item.done", output_index: place.index, item };
  }
  const response = writeResponse(reply, body);
  yield { type: `response.${textOrEmpty(response["status"])}`, response };
}

/** What stands between the two ends of an item; `whole`: its closing events come too. */
function* inside(place: Place, whole: boolean): Iterable<JsonObject> {
  const { part } = place;
  const value = valueOf(part);
  const at = { item_id: place.id, output_index: place.index };
  switch (part.type) {
    case "text": {
      const spot = { ...at, content_index: 0 };
      const logprobs: readonly JsonObject[] = [];
      yield { type: "response.content_part.added", ...spot, part: textPart("") };
      for (const delta of part.frames) {
        yield { type: "response.output_text.delta", ...spot, delta, logprobs };
      }
      if (!whole) return;
      yield { type: "response.output_text.done", ...spot, text: value, logprobs };
      yield { type: "response.content_part.done", ...spot, part: textPart(value) };
      return;
    }
    case "reasoning": {
      const spot = { ...at, summary_index: 0 };
      const name = "response.reasoning_summary";
      yield { type: `${name}_part.added`, ...spot, part: summaryPart("") };
      for (const delta of part.frames) yield { type: `${name}_text.delta`, ...spot, delta };
      if (!whole) return;
      yield { type: `${name}_text.done`, ...spot, text: value };
      yield { type: `${name}_part.done`, ...spot, part: summaryPart(value) };
      return;
    }
    case "tool_call": {
      const custom = part.tool.type === "custom";
      const name = custom ? "custom_tool_call_input" : "function_call_arguments";
      for (const delta of part.frames) yield { type: `response.${name}.delta`, ...at, delta };
      if (!whole) return;
      const done = custom ? { input: value } : { name: part.tool.name, arguments: value };
      yield { type: `response.${name}.done`, ...at, ...done };
    }
  }
}

function writeResponse(reply: Reply, body: JsonObject): JsonObject {
  const cut = reply.finish === "length";
  return {
    ...skeleton(reply, body),
    status: cut ? "incomplete" : "completed",
    completed_at: cut ? null : reply.created,
    incomplete_details: cut ? { reason: "max_output_tokens" } : null,
    output: placesOf(reply).map((place) => fullItem(place, reply)),
    usage: reply.usage && writeUsage(reply.usage),
  };
}

/** The response before it has any output; the caller's settings come back in it. */
function skeleton(reply: Reply, body: JsonObject): JsonObject {
  return {
    id: `resp_${reply.seed}`,
    object: "response",
    created_at: reply.created,
    status: "in_progress",
    background: false,
    completed_at: null,
    error: null,
    incomplete_details: null,
    instructions: body["instructions"] ?? null,
    max_output_tokens: body["max_output_tokens"] ?? null,
    model: reply.model,
    output: [],
    parallel_tool_calls: body["parallel_tool_calls"] ?? true,
    previous_response_id: body["previous_response_id"] ?? null,
    reasoning: { effort: null, summary: null, ...objectOrEmpty(body["reasoning"]) },
    service_tier: "default",
    store: body["store"] ?? true,
    temperature: body["temperature"] ?? 1,
    text: { format: { type: "text" }, ...objectOrEmpty(body["text"]) },
    tool_choice: body["tool_choice"] ?? "auto",
    tools: body["tools"] ?? [],
    top_p: body["top_p"] ?? 1,
    truncation: body["truncation"] ?? "disabled",
    usage: null,
    metadata: body["metadata"] ?? {},
  };
}

function writeUsage({ input, output, reasoning }: Usage): JsonObject {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}
