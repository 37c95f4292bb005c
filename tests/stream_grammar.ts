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

/** Asserts that frames we wrote are a complete stream of a dialect, by its published grammar. */
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
  if (withUsage) {
    const { total_tokens, prompt_tokens, completion_tokens } = chunks.at(-1).usage;
    assert.equal(total_tokens, prompt_tokens + completion_tokens);
  }
  const choices: Wire[] = (withUsage ? chunks.slice(0, -1) : chunks).map((chunk) => {
    assert.equal(chunk.usage, withUsage ? null : undefined);
    assert.equal(chunk.choices.length, 1);
    return chunk.choices[0];
  });
  assert.deepEqual(choices.at(-1).delta, {});
  assert(FINISHES.includes(choices.at(-1).finish_reason));
  for (const choice of choices.slice(0, -1)) assert.equal(choice.finish_reason, null);
  let calls = 0;
  for (const { delta } of choices.slice(1, -1)) {
    assert.equal(Object.keys(delta).length, 1);
    assert.equal(delta.role, undefined, "the role is said once");
    for (const call of delta.tool_calls ?? []) {
      if (call.id === undefined) assert(call.index < calls, "a call is opened before it is fed");
      else assert.equal(call.index, calls++, "calls are numbered in order of start");
    }
  }
}

const FINISHES = ["stop", "length", "tool_calls", "content_filter"];

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
  assert.match(last.response.status, /^(completed|incomplete)$/);
  assert.equal(last.response.id, events[0].response.id);
  assertOneOpen(events.slice(2, -1));
  const done = events.filter(({ type }) => type === "response.output_item.done");
  assert.deepEqual(last.response.output, done.map(({ item }) => item));
  for (const [index, item] of last.response.output.entries()) {
    assertItem(item, events.filter((event) => event.output_index === index));
  }
}

/** An item's events lie between its start and its end, and items follow one another. */
function assertOneOpen(events: readonly Wire[]): void {
  let open: Wire = null;
  let done = 0;
  for (const { type, item, output_index } of events) {
    assert.equal(output_index, done);
    if (type === "response.output_item.added") {
      assert.equal(open, null, "one item is open at a time");
      open = item;
    }
    assert(open, `${type} lies in an item`);
    if (type !== "response.output_item.done") continue;
    assert.deepEqual([item.id, item.type], [open.id, open.type]);
    open = null;
    done++;
  }
  assert.equal(open, null, "the last item is done");
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
  refusal: [
    "output_item.added",
    "content_part.added",
    "refusal.delta",
    "refusal.done",
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
  const { text, refusal } = item.content?.[0] ?? {};
  const kind = sealed ? "sealed" : refusal === undefined ? item.type : "refusal";
  assert.deepEqual(folded, ITEM_EVENTS[kind]);
  for (const event of events) assert.equal(event.item_id ?? event.item.id, item.id);
  const summary = sealed ? "" : item.summary?.[0].text;
  const value = text ?? refusal ?? summary ?? item.arguments ?? item.input;
  assert.equal(events.map(({ delta }) => delta ?? "").join(""), value);
  const closing = events.map((event) =>
    event.text ?? event.refusal ?? event.arguments ?? event.input
  ).find((closing) => closing !== undefined);
  if (closing !== undefined) assert.equal(closing, value, "the closing value is what was streamed");
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
  // A provider that reports nothing says so by leaving its counts out.
  assert((events[0].message.usage?.input_tokens ?? 0) >= 0);
  assert.deepEqual(events.slice(-2).map(({ type }) => type), ["message_delta", "message_stop"]);
  const { stop_reason } = events.at(-2).delta;
  assert.equal(typeof stop_reason, "string");
  let index = 0;
  let open: Wire = null;
  let input = "";
  for (const event of events.slice(1, -2)) {
    assert.equal(event.index, index, "one block at a time, without gaps");
    switch (event.type) {
      case "content_block_start":
        assert.equal(open, null, "one block is open at a time");
        open = event.content_block;
        input = "";
        break;
      case "content_block_delta":
        assert(DELTAS[open.type]?.includes(event.delta.type), `${event.delta.type} fits`);
        input += event.delta.partial_json ?? "";
        break;
      case "content_block_stop":
        // A call that was cut is no JSON.
        if (open.type === "tool_use" && stop_reason !== "max_tokens") {
          assert.equal(typeof JSON.parse(input), "object");
        }
        open = null;
        index++;
        break;
      default:
        assert.fail(`${event.type} has no place among blocks`);
    }
  }
  assert.equal(open, null, "the last block is closed");
}

const DELTAS: Readonly<Record<string, readonly string[]>> = {
  text: ["text_delta"],
  thinking: ["thinking_delta", "signature_delta"],
  tool_use: ["input_json_delta"],
};
