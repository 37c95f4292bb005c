import assert from "node:assert/strict";
import { GatewayError } from "@/core/errors.ts";
import { readWire, scanElements } from "@/core/scan.ts";
import { editMembers, removeItems, splice } from "@/core/splice.ts";
import { plainTarget, prepared, sent, wireOf } from "./dialect_target.ts";

const SEED = '{"model":"fast","messages":[],"seed":12345678901234567890,"top_p":1.0}';
const PRETTY = '{\r\n\t"messages": [{"role":"user","content":"caf\\u00e9 café \\/ \\ud83d"}],\r\n' +
  '\t"model" :\t"fast" ,\r\n\t"top_p": 1.0\r\n}\r\n';

/** SHA-256 of a body without the value of its model. */
async function digestWithoutModel(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const { start, end } = readWire(bytes).members.get("model")!;
  const rest = splice(bytes, [{ start, end, text: "", field: "model", action: "stripped" }]);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", rest)).toHex();
}

for (
  const body of [
    SEED,
    PRETTY,
    '{"messages":[],"model":"fast"}',
    '{"messages":[{"role":"user","content":"\\"model\\":\\"fast\\""}],"model":"fast"}',
    '{"tools":[{"type":"function","function":{"name":"f","parameters":{"model":"fast"}}}],' +
    '"messages":[],"client_metadata":{"model":"fast"},"model":"fast"}',
  ]
) {
  Deno.test(`only the model value changes in ${JSON.stringify(body)}`, () => {
    const expected = body.replace(/("model"\s*:\s*)"fast"(?!.*"model")/s, '$1"up-1"');
    assert.equal(sent("openai-chat", body), expected);
  });
}

Deno.test("a model key with an escape is the model", () => {
  const body = '{"mod\\u0065l":"fast","messages":[]}';
  assert.equal(sent("openai-chat", body), '{"mod\\u0065l":"up-1","messages":[]}');
});

Deno.test("a model twice is refused", () => {
  assert.throws(
    () => sent("openai-chat", '{"model":"fast","model":"b","messages":[]}'),
    GatewayError,
  );
});

Deno.test("a body without model gets one after its brace", () => {
  assert.equal(sent("openai-chat", '{ "messages":[]}'), '{"model":"up-1", "messages":[]}');
});

Deno.test("two caps become one under the name the target takes", () => {
  const body = '{"model":"fast","messages":[],"max_tokens":9,"max_completion_tokens":8}';
  assert.equal(
    sent("openai-chat", body, { outputTokenField: "max_completion_tokens" }),
    '{"model":"up-1","messages":[],"max_completion_tokens":9}',
  );
  assert.equal(sent("openai-chat", body), '{"model":"up-1","messages":[],"max_tokens":9}');
});

Deno.test("a cap of another name is renamed and keeps its value", () => {
  assert.equal(
    sent("openai-chat", '{"model":"fast","messages":[],"max_completion_tokens" : 8}'),
    '{"model":"up-1","messages":[],"max_tokens" : 8}',
  );
});

Deno.test("a stream asks for its usage", () => {
  assert.equal(
    sent("openai-chat", '{"model":"fast","stream":true,"messages":[]}'),
    '{"model":"up-1","stream_options":{"include_usage":true},"stream":true,"messages":[]}',
  );
  assert.equal(
    sent(
      "openai-chat",
      '{"model":"fast","messages":[],"stream":true,"stream_options":{"include_usage":false}}',
    ),
    '{"model":"up-1","messages":[],"stream":true,"stream_options":{"include_usage":true}}',
  );
  assert.equal(
    sent("openai-chat", '{"model":"fast","messages":[],"stream":true,"stream_options":{"a":1}}'),
    '{"model":"up-1","messages":[],"stream":true,"stream_options":{"include_usage":true,"a":1}}',
  );
});

Deno.test("a Messages body with everything in it changes in its model alone", async () => {
  const image = "iVBOR".repeat(210_000);
  const tools = Array.from({ length: 3_000 }, (_, at) => ({
    name: `tool_${at}`,
    input_schema: { type: "object", properties: { model: { const: "x".repeat(1_000) } } },
  }));
  const body = {
    max_tokens: 4_096,
    model: "fast",
    tools,
    messages: [
      { role: "assistant", content: [{ type: "thinking", thinking: "a", signature: "EqQ" }] },
      { role: "assistant", content: [{ type: "redacted_thinking", data: "Emw" }] },
      {
        role: "user",
        content: [
          { type: "image", source: { type: "base64", media_type: "image/png", data: image } },
          { type: "brand_new", cache_control: { type: "ephemeral", ttl: "1h" } },
        ],
      },
    ],
  };
  const wire = wireOf(JSON.stringify(body));
  const { bytes, edits } = prepared(wire, plainTarget("anthropic"));
  assert.deepEqual(edits.map(({ field }) => field), ["model"]);
  assert.equal(await digestWithoutModel(bytes), await digestWithoutModel(wire.bytes));
});

Deno.test("removing every element leaves no comma", () => {
  const bytes = new TextEncoder().encode("[1 , 2,3]");
  const spans = scanElements(bytes, 0, bytes.length);
  const remove = (gone: readonly number[]) => {
    const notes = spans.map((_, at) =>
      gone.includes(at) ? { field: "tools", action: "stripped" as const } : undefined
    );
    return new TextDecoder().decode(splice(bytes, removeItems(bytes, spans, notes)));
  };
  assert.equal(remove([0]), "[ 2,3]");
  assert.equal(remove([1]), "[1 , 3]");
  assert.equal(remove([2]), "[1 , 2]");
  assert.equal(remove([1, 2]), "[1 ]");
  assert.equal(remove([0, 1, 2]), "[ ]");
  assert.equal(remove([]), "[1 , 2,3]");
});

Deno.test("splice() refuses edits that overlap", () => {
  const edit = { text: "", field: "x", action: "stripped" as const };
  const edits = [{ ...edit, start: 0, end: 3 }, { ...edit, start: 2, end: 4 }];
  assert.throws(() => splice(new Uint8Array(8), edits), /overlaps/);
});

Deno.test("splice() without edits gives the bytes back", () => {
  const bytes = new TextEncoder().encode("{}");
  assert.equal(splice(bytes, editMembers(bytes, new Map()).list()), bytes);
});

Deno.test("a member that has its value already is no edit, and any other spelling of it is one", () => {
  const edits = (body: string) => {
    const { bytes, members } = readWire(new TextEncoder().encode(body));
    const edit = editMembers(bytes, members);
    edit.set("model", '"fast"', "model");
    return edit.list().length;
  };
  assert.equal(edits('{"model" : "fast","messages":[]}'), 0);
  assert.equal(edits('{"model":"f\\u0061st","messages":[]}'), 1);
  assert.equal(edits('{"model":"fasT","messages":[]}'), 1);
  assert.equal(edits('{"model":"faster","messages":[]}'), 1);
  assert.equal(edits('{"messages":[]}'), 1);
});

Deno.test("a member is no other text whose characters are the bytes it has", () => {
  const { bytes, members } = readWire(new TextEncoder().encode('{"model":"é"}'));
  const edit = editMembers(bytes, members);
  edit.set("model", '"\u00c3\u00a9"', "model");
  assert.deepEqual(JSON.parse(new TextDecoder().decode(splice(bytes, edit.list()))), {
    model: "\u00c3\u00a9",
  });
});
