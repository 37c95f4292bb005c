import assert from "node:assert/strict";
import { bridgeReasons } from "@/core/bridge_features.ts";
import { DIALECT_NAMES } from "@/core/dialect_name.ts";
import type { Json } from "@/core/json.ts";
import { createProofMemory } from "@/core/proof_memory.ts";
import { replyJson } from "@/core/read_unary.ts";
import { stepAll } from "@/core/stream.ts";
import { dialects } from "@/dialects/mod.ts";
import { isStrictSchema } from "@/dialects/strict_schema.ts";
import { plainTarget, wireOf } from "./dialect_target.ts";

/** So many that work which grows with the square would not end. */
const MANY = 300_000;

/** Names that every object answers to. */
const INHERITED = ["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__"];

/** A body whose one turn holds one piece of content. */
function bodyWith(piece: Json): string {
  const messages = [{ role: "user", content: [piece] }];
  return JSON.stringify({ model: "g", max_tokens: 9, messages, input: messages });
}

for (const name of DIALECT_NAMES) {
  Deno.test(`${name} content of a type that objects inherit is unknown content`, () => {
    for (const type of INHERITED) {
      const { barriers } = dialects.get(name).decodeRequest(wireOf(bodyWith({ type, a: 1 })));
      assert.deepEqual(bridgeReasons(barriers, "anthropic"), ["bridge-other"], type);
    }
  });
}

for (const name of ["openai-chat", "openai-responses"] as const) {
  Deno.test(`${name} writes a choice among many tools in one walk`, () => {
    const dialect = dialects.get(name);
    const own = Array.from({ length: MANY }, (_, index) => ({ name: `t${index}` }));
    const { request } = dialect.decodeRequest(wireOf('{"messages":[],"input":[]}'));
    const { body } = dialect.encodeRequest({
      ...request,
      tools: own.map(({ name }, index) => {
        const form = index === 7 ? "custom" as const : "function" as const;
        return { form, name, extra: {} };
      }),
      toolChoice: { mode: "allowed", force: true, tools: own },
    }, plainTarget(name));
    const choice = JSON.parse(JSON.stringify(body["tool_choice"]));
    const tools = choice.tools ?? choice.allowed_tools.tools;
    assert.equal(tools.length, MANY);
    assert.deepEqual([tools[7].type, tools[8].type], ["custom", "function"]);
  });
}

Deno.test("a schema of many properties is judged in one walk", () => {
  const names = Array.from({ length: MANY }, (_, index) => `k${index}`);
  const properties = Object.fromEntries(names.map((name) => [name, {}]));
  const schema = { type: "object", additionalProperties: false, properties };
  assert(isStrictSchema({ ...schema, required: names }));
  assert(!isStrictSchema({ ...schema, required: names.slice(1) }));
});

Deno.test("a turn of many pieces joins the one before it", () => {
  const count = MANY / 4; // a body has no more values than that
  const content = Array.from({ length: count }, () => ({ type: "output_text", text: "a" }));
  const input = [{ role: "assistant", content: "b" }, { role: "assistant", content }];
  const { request } = dialects.get("openai-responses")
    .decodeRequest(wireOf(JSON.stringify({ input })));
  assert.equal(request.messages[0]?.parts.length, count + 1);
});

Deno.test("an answer of many tiny values is no reply, and is not parsed to see that", () => {
  const parsed = (text: string) => replyJson(new TextEncoder().encode(text));
  const long = "x".repeat(4 * MANY);
  assert.deepEqual(parsed(`{"a":["${long}"]}`), { a: [long] });
  assert.equal(parsed(`{"a":[${"[],".repeat(2 * MANY)}0]}`), undefined);
});

Deno.test("a response of many pieces is read in one walk", () => {
  const content = Array.from({ length: MANY }, () => ({ type: "output_text", text: "a" }));
  const output = [{ type: "message", id: "msg_1", role: "assistant", content }];
  const response = { id: "resp_1", status: "completed", output };
  const data = JSON.stringify({ type: "response.completed", response });
  const events = stepAll([{ event: "", data }], dialects.get("openai-responses").decodeStream());
  assert.equal(events.length, 3 * MANY + 2);
});

Deno.test("a beta header full of spaces is read in one walk", () => {
  const headers = new Headers({ "anthropic-beta": `a${" ".repeat(MANY)}b , c` });
  const sent = dialects.get("anthropic").upstreamHeaders(headers)["anthropic-beta"];
  assert.equal(sent, `a${" ".repeat(MANY)}b,c`);
});

Deno.test("a reason that is empty ends no Chat stream", () => {
  const tap = dialects.get("openai-chat").tap({ withholdUsage: false });
  const choice = { index: 0, delta: { content: "a" }, finish_reason: "" };
  tap.read({ event: "", data: JSON.stringify({ id: "chatcmpl-1", choices: [choice] }) });
  assert(!tap.complete());
  assert.equal(tap.facts().finishReason, null);
});

Deno.test("thinking that was cut does not make its provider one that never signs", () => {
  const tap = dialects.get("anthropic").tap({ withholdUsage: false });
  const read = (value: Json) => tap.read({ event: "", data: JSON.stringify(value) });
  const thinking = { type: "thinking", thinking: "", signature: "" };
  read({ type: "content_block_start", index: 0, content_block: thinking });
  read({
    type: "content_block_delta",
    index: 0,
    delta: { type: "thinking_delta", thinking: "Hm" },
  });
  const memory = createProofMemory();
  memory.remember(tap.facts().proofs, "acme");
  assert(!memory.accepts("", "acme"));
  read({ type: "content_block_stop", index: 0 });
  memory.remember(tap.facts().proofs, "acme");
  assert(memory.accepts("", "acme"), "a block that closes unsigned is unsigned");
});
