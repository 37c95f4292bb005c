import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import type { SseFrame } from "@/core/wire.ts";

/** A frame's JSON; loose, since what it holds is what the assertions are about. */
// deno-lint-ignore no-explicit-any
type Wire = any;

/** Asserts that frames we wrote form a whole stream of a dialect, event by event. */
export function assertWireGrammar(dialect: DialectName, frames: readonly SseFrame[]): void {
  GRAMMARS[dialect](frames);
}

const GRAMMARS: Readonly<Record<DialectName, (frames: readonly SseFrame[]) => void>> = {
  "openai-chat": assertChat,
  "openai-responses": assertResponses,
  "anthropic": assertMessages,
};

function assertChat(frames: readonly SseFrame[]): void {
  assert(frames.every(({ event }) => event === ""));
  assert.equal(frames.at(-1)?.data, "[DONE]");
  const chunks: Wire[] = frames.slice(0, -1).map(({ data }) => JSON.parse(data));
  for (const key of ["id", "created", "model", "object"]) {
    assert.equal(new Set(chunks.map((chunk) => chunk[key])).size, 1, `one ${key} throughout`);
  }
  assert.equal(chunks[0].object, "chat.completion.chunk");
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  const usage = chunks.at(-1);
  assert.deepEqual(usage.choices, [], "usage was asked for");
  assert.equal(usage.usage.total_tokens, usage.usage.prompt_tokens + usage.usage.completion_tokens);
  const choices: Wire[] = chunks.slice(0, -1).map((chunk) => {
    assert.equal(chunk.usage, null);
    assert.equal(chunk.choices.length, 1);
    return chunk.choices[0];
  });
  assert.deepEqual(choices.at(-1).delta, {});
  assert.equal(typeof choices.at(-1).finish_reason, "string");
  let calls = 0;
  for (const { delta, finish_reason } of choices.slice(1, -1)) {
    assert.equal(finish_reason, null);
    assert.equal(delta.role, undefined, "the role is said once");
    for (const call of delta.tool_calls ?? []) {
      if (call.id === undefined) assert(call.index < calls, "a call is opened before it is fed");
      else assert.equal(call.index, calls++, "calls are numbered in order of start");
    }
  }
}

function assertResponses(frames: readonly SseFrame[]): void {
  const events: Wire[] = frames.map(({ event, data }, index) => {
    const value = JSON.parse(data);
    assert.equal(value.type, event);
    assert.equal(value.sequence_number, index);
    return value;
  });
  assert.deepEqual(events.slice(0, 2).map(({ type }) => type), [
    "response.created",
    "response.in_progress",
  ]);
  const done: Wire[] = [];
  let open: Wire = null;
  let text = "";
  for (const event of events.slice(2, -1)) {
    const kind = event.type.replace(/^response\./, "");
    if (kind === "output_item.added") {
      assert.equal(open, null, "one item is open at a time");
      assert.equal(event.output_index, done.length);
      open = event.item;
      text = "";
      continue;
    }
    assert(open, `${kind} lies in an item`);
    assert.equal(event.output_index, done.length);
    if (kind === "output_item.done") {
      assert.equal(event.item.id, open.id);
      assert.equal(event.item.type, open.type);
      done.push(event.item);
      open = null;
      continue;
    }
    assert.equal(event.item_id, open.id);
    if (kind.endsWith(".delta")) text += event.delta;
    const closing = event.text ?? event.refusal ?? event.arguments ?? event.input;
    if (kind.endsWith(".done") && closing !== undefined) {
      assert.equal(closing, text, "the closing value is what was streamed");
      text = "";
    }
  }
  assert.equal(open, null);
  const end = events.at(-1);
  assert.match(end.type, /^response\.(completed|incomplete)$/);
  assert.deepEqual(end.response.output, done);
  assert.equal(end.response.id, events[0].response.id);
}

const DELTA_OF: Readonly<Record<string, readonly string[]>> = {
  text: ["text_delta"],
  thinking: ["thinking_delta", "signature_delta"],
  tool_use: ["input_json_delta"],
};

function assertMessages(frames: readonly SseFrame[]): void {
  const events: Wire[] = frames.map(({ event, data }) => {
    const value = JSON.parse(data);
    assert.equal(value.type, event);
    return value;
  });
  assert.equal(events[0].type, "message_start");
  assert(events[0].message.usage.input_tokens >= 0);
  assert.deepEqual(events.slice(-2).map(({ type }) => type), ["message_delta", "message_stop"]);
  assert.equal(typeof events.at(-2).delta.stop_reason, "string");
  let index = 0;
  let open: Wire = null;
  let input = "";
  for (const event of events.slice(1, -2)) {
    assert.equal(event.index, index);
    switch (event.type) {
      case "content_block_start":
        assert.equal(open, null, "one block is open at a time");
        open = event.content_block;
        input = "";
        break;
      case "content_block_delta":
        assert(DELTA_OF[open.type]?.includes(event.delta.type), `${event.delta.type} fits`);
        input += event.delta.partial_json ?? "";
        break;
      case "content_block_stop":
        if (open.type === "tool_use") assert.equal(typeof JSON.parse(input), "object");
        open = null;
        index++;
        break;
      default:
        assert.fail(`${event.type} has no place among blocks`);
    }
  }
  assert.equal(open, null);
}
