import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import type { SseFrame } from "@/core/wire.ts";

/** A frame's JSON; loose, since what it holds is what the assertions are about. */
// deno-lint-ignore no-explicit-any
export type Wire = any;

/** Reads the frames of a whole stream text, exactly as our side writes them. */
export function readFrames(text: string): SseFrame[] {
  assert(text === "" || text.endsWith("\n\n"), "the last frame ends with a blank line");
  return text.split("\n\n").slice(0, -1).map((block) => {
    const found = /^(?:event: ([\w.]+)\n)?data: ([^\n]*)$/.exec(block);
    assert(found, `this is a frame: ${block}`);
    return { event: found[1] ?? "", data: found[2]! };
  });
}

/** Asserts the published grammar of a complete stream of a dialect. */
export function assertStreamGrammar(dialect: DialectName, frames: readonly SseFrame[]): void {
  GRAMMARS[dialect](frames);
}

const GRAMMARS: Readonly<Record<DialectName, (frames: readonly SseFrame[]) => void>> = {
  "openai-chat": assertChat,
  "openai-responses": assertResponses,
  "anthropic": assertAnthropic,
};

function assertChat(frames: readonly SseFrame[]): void {
  assert(frames.every(({ event }) => event === ""), "no frame has an event name");
  assert.equal(frames.at(-1)?.data, "[DONE]");
  const chunks: Wire[] = frames.slice(0, -1).map(({ data }) => JSON.parse(data));
  for (const key of ["id", "created", "model", "object"]) {
    assert.equal(new Set(chunks.map((chunk) => chunk[key])).size, 1, `one ${key} throughout`);
  }
  assert.equal(chunks[0].object, "chat.completion.chunk");
  const { refusal = null, ...opening } = chunks[0].choices[0].delta;
  assert.deepEqual([refusal, opening], [null, { role: "assistant", content: "" }]);
  const withUsage = chunks.at(-1).choices.length === 0;
  if (withUsage) assert(chunks.at(-1).usage.total_tokens > 0);
  const choices = (withUsage ? chunks.slice(0, -1) : chunks).map((chunk) => {
    assert.equal(chunk.usage, withUsage ? null : undefined);
    assert.equal(chunk.choices.length, 1);
    return chunk.choices[0];
  });
  assert.deepEqual(choices.at(-1).delta, {});
  assert(["stop", "length", "tool_calls"].includes(choices.at(-1).finish_reason));
  for (const choice of choices.slice(0, -1)) assert.equal(choice.finish_reason, null);
  for (const choice of choices.slice(1, -1)) assert.equal(Object.keys(choice.delta).length, 1);
}

function assertResponses(frames: readonly SseFrame[]): void {
  const events: Wire[] = frames.map(({ event, data }, index) => {
    const value = JSON.parse(data);
    assert.equal(value.type, event);
    assert.equal(value.sequence_number, index);
    return value;
  });
  assert.equal(events[0].type, "response.created");
  assert.equal(events[1].type, "response.in_progress");
  assert.deepEqual(events[0].response, events[1].response);
  assert.deepEqual([events[0].response.output, events[0].response.usage], [[], null]);
  const last = events.at(-1);
  assert.equal(last.type, `response.${last.response.status}`);
  const done = events.filter(({ type }) => type === "response.output_item.done");
  assert.deepEqual(last.response.output, done.map(({ item }) => item));
  for (const [index, item] of last.response.output.entries()) {
    assertItem(item, events.filter((event) => event.output_index === index));
  }
}

/** Events of an item, in order, deltas folded into one. */
const ITEM_EVENTS: Readonly<Record<string, readonly string[]>> = {
  message: [
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
  ],
  reasoning: [
    "output_item.added",
    "reasoning_summary_part.added",
    "reasoning_summary_text.delta",
    "reasoning_summary_text.done",
    "reasoning_summary_part.done",
    "output_item.done",
  ],
  sealed: ["output_item.added", "output_item.done"],
  function_call: [
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
  ],
  custom_tool_call: [
    "output_item.added",
    "custom_tool_call_input.delta",
    "custom_tool_call_input.done",
    "output_item.done",
  ],
};

function assertItem(item: Wire, events: readonly Wire[]): void {
  const names = events.map(({ type }) => type.slice("response.".length));
  const folded = names.filter((name, index) => name !== names[index - 1]);
  // Reasoning that nobody can read has no text to stream.
  const sealed = item.summary?.length === 0;
  assert.deepEqual(folded, ITEM_EVENTS[sealed ? "sealed" : item.type]);
  for (const event of events) assert.equal(event.item_id ?? event.item.id, item.id);
  const summary = sealed ? "" : item.summary?.[0].text;
  const value = item.content?.[0].text ?? summary ?? item.arguments ?? item.input;
  assert.equal(events.map(({ delta }) => delta ?? "").join(""), value);
}

function assertAnthropic(frames: readonly SseFrame[]): void {
  const all: Wire[] = frames.map(({ event, data }) => {
    const value = JSON.parse(data);
    assert.equal(value.type, event);
    return value;
  });
  const events = all.filter(({ type }) => type !== "ping");
  assert.equal(events[0].type, "message_start");
  assert.deepEqual(
    [events[0].message.content, events[0].message.stop_reason],
    [[], null],
  );
  assert.deepEqual(events.slice(-2).map(({ type }) => type), ["message_delta", "message_stop"]);
  let open = -1;
  let closed = -1;
  let kind = "";
  for (const event of events.slice(1, -2)) {
    assert.equal(event.index, closed + 1, "one block at a time, without gaps");
    if (event.type === "content_block_start") {
      open += 1;
      kind = event.content_block.type;
    } else if (event.type === "content_block_stop") closed += 1;
    else assert(DELTAS[kind]?.includes(event.delta.type), `${event.delta.type} in ${kind}`);
    assert(open - closed === (event.type === "content_block_stop" ? 0 : 1));
  }
  assert.equal(closed, open, "the last block is closed");
}

const DELTAS: Readonly<Record<string, readonly string[]>> = {
  text: ["text_delta"],
  thinking: ["thinking_delta", "signature_delta"],
  tool_use: ["input_json_delta"],
};
