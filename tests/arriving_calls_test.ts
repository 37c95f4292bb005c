import assert from "node:assert/strict";
import fc from "fast-check";
import type { JsonObject } from "@/core/json.ts";
import { stepAll } from "@/core/stream.ts";
import type { SseFrame } from "@/core/wire.ts";
import { openAiChat } from "@/dialects/openai_chat/mod.ts";

const TEXTS = ["", "{", "}", '{"a":', "1}", '{"a":1}', '{"a":1', '"x', '"', ",", "[", "é"];

/** A fragment of a call, with and without what it should have. */
const fragments: fc.Arbitrary<JsonObject> = fc.record({
  index: fc.constantFrom(undefined, null, 0, 1, 2),
  id: fc.constantFrom(undefined, null, "", "call_a", "call_b"),
  function: fc.record({
    name: fc.constantFrom(undefined, null, "", "f", "g"),
    arguments: fc.constantFrom(undefined, null, ...TEXTS),
  }),
});

const deltas = fc.array(fc.array(fragments, { maxLength: 3 }), { minLength: 1, maxLength: 6 });

/** The frames of a stream that was cut by its length, so that nothing is made of empty arguments. */
function framesOf(choices: readonly JsonObject[]): readonly SseFrame[] {
  return [...choices, { delta: {}, finish_reason: "length" }].map((choice) => ({
    event: "",
    data: JSON.stringify({ id: "chatcmpl-1", choices: [{ index: 0, ...choice }] }),
  }));
}

/** Calls and bytes of arguments, as the bridge delivers them and as they are counted. */
function countsOf(frames: readonly SseFrame[]) {
  const events = stepAll(frames, openAiChat.decodeStream());
  const tap = openAiChat.tap({ withholdUsage: false });
  for (const frame of frames) tap.read(frame);
  const { toolCalls, contentBytes } = tap.facts();
  const texts = events.flatMap((event) => event.type === "part_delta" ? event.text : []);
  const started = events.filter(({ type }) => type === "part_start");
  return {
    delivered: [started.length, new TextEncoder().encode(texts.join("")).length],
    counted: [toolCalls, contentBytes],
  };
}

Deno.test("calls of a Chat stream are counted as a bridge delivers them, whatever is missing", () => {
  fc.assert(
    fc.property(deltas, (lists) => {
      const frames = framesOf(lists.map((list) => ({ delta: { tool_calls: list } })));
      const { delivered, counted } = countsOf(frames);
      assert.deepEqual(counted, delivered);
    }),
    { seed: 20261122, numRuns: 2_000 },
  );
});

Deno.test("calls that only a closing message holds are counted as a bridge delivers them", () => {
  const whole = [
    { id: "call_a", function: { name: "f", arguments: "{}" } },
    { id: "call_b", function: { name: "g", arguments: '{"a":1}' } },
  ];
  const closing = { message: { tool_calls: whole } };
  const part = { delta: { tool_calls: [{ index: 0, ...whole[0] }] } };
  for (const choices of [[closing], [part, closing]]) {
    assert.deepEqual(countsOf(framesOf(choices)), { delivered: [2, 9], counted: [2, 9] });
  }
});
