import { type JsonObject, objectOrEmpty } from "@/core/json.ts";
import type { SseFrame } from "@/core/wire.ts";
import { type Tool } from "./ask.ts";
import { readChat } from "./openai_chat_reader.ts";
import { openaiError } from "./openai_error.ts";
import { type Part, type Reply, type Usage, valueOf } from "./reply.ts";
import type { WireFormat } from "./wire_format.ts";

/** Chat Completions: `chat.completion`, or `chat.completion.chunk` frames and `[DONE]`. */
export const openaiChat: WireFormat = {
  path: "/chat/completions",
  read: readChat,
  write: writeChat,
  *stream(reply, body) {
    const withUsage = objectOrEmpty(body["stream_options"])["include_usage"] === true;
    for (const chunk of chunks(reply, withUsage && reply.usage)) {
      yield { event: "", data: JSON.stringify(chunk) };
    }
    if (reply.finish !== null) yield { event: "", data: "[DONE]" };
  },
  writeError: (fault) => ({ error: openaiError(fault, "messages") }),
  errorFrame: (fault): SseFrame => ({
    event: "",
    data: JSON.stringify({ error: openaiError(fault, "messages") }),
  }),
};

function writeChat(reply: Reply): JsonObject {
  const joined = (type: Part["type"]) =>
    reply.parts.filter((part) => part.type === type).map(valueOf).join("");
  const reasoning = joined("reasoning");
  const calls = reply.parts.flatMap((part) =>
    part.type === "tool_call" ? [toolCall(part, valueOf(part))] : []
  );
  const message = {
    role: "assistant",
    content: joined("text") || null,
    refusal: null,
    ...(reasoning ? { reasoning_content: reasoning } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
  return {
    ...head(reply, "chat.completion"),
    choices: [{ index: 0, message, logprobs: null, finish_reason: reply.finish }],
    ...(reply.usage ? { usage: writeUsage(reply.usage) } : {}),
  };
}

/** `usage`: what the last chunk reports, falsy when the caller wants none. */
function* chunks(reply: Reply, usage: Usage | null | false): Iterable<JsonObject> {
  const chunk = (delta: JsonObject, finish: string | null): JsonObject => ({
    ...head(reply, "chat.completion.chunk"),
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(usage ? { usage: null } : {}),
  });
  yield chunk({ role: "assistant", content: "", refusal: null }, null);
  let calls = 0;
  for (const part of reply.parts) {
    for (const delta of deltas(part, calls)) yield chunk(delta, null);
    if (part.type === "tool_call") calls += 1;
  }
  if (reply.finish === null) return;
  yield chunk({}, reply.finish);
  if (!usage) return;
  yield { ...head(reply, "chat.completion.chunk"), choices: [], usage: writeUsage(usage) };
}

function* deltas(part: Part, index: number): Iterable<JsonObject> {
  switch (part.type) {
    case "text":
      for (const content of part.frames) yield { content };
      return;
    case "reasoning":
      for (const frame of part.frames) yield { reasoning_content: frame };
      return;
    case "tool_call":
      yield { tool_calls: [{ index, ...toolCall(part, "") }] };
      for (const frame of part.frames) {
        yield { tool_calls: [{ index, [part.tool.type]: payload(part.tool, frame) }] };
      }
  }
}

function toolCall(part: Part & { type: "tool_call" }, value: string): JsonObject {
  const { type, name } = part.tool;
  return {
    id: `call_${part.callId}`,
    type,
    [type]: { name, ...payload(part.tool, value) },
  };
}

function payload(tool: Tool, value: string): JsonObject {
  return tool.type === "custom" ? { input: value } : { arguments: value };
}

function head(reply: Reply, object: string): JsonObject {
  return { id: `chatcmpl-${reply.seed}`, object, created: reply.created, model: reply.model };
}

function writeUsage({ input, output, reasoning }: Usage): JsonObject {
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
