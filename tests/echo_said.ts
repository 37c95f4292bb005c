import type { DialectName } from "@/core/dialect_name.ts";
import { assertStreamGrammar, readFrames, type Wire } from "./stream_grammar.ts";

/** What a reply says, in the same words for every dialect. */
export interface Said {
  readonly text: string;
  readonly reasoning: string;
  readonly call: { name: string; value: Wire } | null;
  readonly finish: string;
  readonly usage: readonly [input: number, output: number] | null;
}

/** Reads a unary reply. */
export function readReply(dialect: DialectName, reply: Wire): Said {
  const join = (parts: Wire[], key: string) => parts.map((part) => part[key] ?? "").join("");
  switch (dialect) {
    case "openai-chat":
      return readChat(reply);
    case "openai-responses": {
      const item = (type: string) => reply.output.find((item: Wire) => item.type === type);
      const call = item("function_call") ?? item("custom_tool_call");
      return {
        text: join(item("message")?.content ?? [], "text"),
        reasoning: join(item("reasoning")?.summary ?? [], "text"),
        call: call ? named(call.name, call.arguments ?? call.input) : null,
        finish: reply.incomplete_details?.reason ?? reply.status,
        usage: reply.usage ? [reply.usage.input_tokens, reply.usage.output_tokens] : null,
      };
    }
    case "anthropic": {
      const call = reply.content.find((block: Wire) => block.type === "tool_use");
      return {
        text: join(reply.content, "text"),
        reasoning: join(reply.content, "thinking"),
        call: call ? { name: call.name, value: call.input } : null,
        finish: reply.stop_reason,
        usage: "input_tokens" in reply.usage
          ? [reply.usage.input_tokens, reply.usage.output_tokens]
          : null,
      };
    }
  }
}

function readChat(reply: Wire): Said {
  const { message, finish_reason: finish } = reply.choices[0];
  const call = message.tool_calls?.[0];
  const value = call?.function?.arguments ?? call?.custom?.input;
  return {
    text: message.content ?? "",
    reasoning: message.reasoning_content ?? "",
    call: call ? named(call[call.type].name, value) : null,
    finish,
    usage: reply.usage ? [reply.usage.prompt_tokens, reply.usage.completion_tokens] : null,
  };
}

function named(name: string, text: string): { name: string; value: Wire } {
  try {
    return { name, value: JSON.parse(text) };
  } catch {
    return { name, value: text };
  }
}

/** Puts a complete stream together into what the unary reply would be. */
export function collect(dialect: DialectName, text: string): Said {
  const frames = readFrames(text);
  assertStreamGrammar(dialect, frames);
  const events: Wire[] = frames.filter(({ data }) => data !== "[DONE]").map(({ data }) =>
    JSON.parse(data)
  );
  switch (dialect) {
    case "openai-chat":
      return collectChat(events);
    case "openai-responses":
      return readReply(dialect, events.at(-1).response);
    case "anthropic":
      return collectAnthropic(events);
  }
}

function collectChat(chunks: Wire[]): Said {
  const deltas = chunks.flatMap((chunk) => chunk.choices).map((choice) => choice.delta);
  const join = (key: string) => deltas.map((delta) => delta[key] ?? "").join("");
  const calls = deltas.flatMap((delta) => delta.tool_calls ?? []);
  const usage = chunks.at(-1).usage;
  const value = calls.map((call) => call.function?.arguments ?? call.custom.input).join("");
  return {
    text: join("content"),
    reasoning: join("reasoning_content"),
    call: calls[0] ? named(calls[0][calls[0].type].name, value) : null,
    finish: chunks.flatMap((chunk) => chunk.choices).at(-1).finish_reason,
    usage: usage ? [usage.prompt_tokens, usage.completion_tokens] : null,
  };
}

function collectAnthropic(events: Wire[]): Said {
  const deltas = events.filter(({ delta }) => delta).map(({ delta }) => delta);
  const join = (key: string) => deltas.map((delta) => delta[key] ?? "").join("");
  const call = events.find(({ content_block: block }) => block?.type === "tool_use");
  const { delta, usage } = events.find(({ type }) => type === "message_delta");
  return {
    text: join("text"),
    reasoning: join("thinking"),
    call: call ? named(call.content_block.name, join("partial_json")) : null,
    finish: delta.stop_reason,
    usage: "input_tokens" in usage ? [usage.input_tokens, usage.output_tokens] : null,
  };
}
