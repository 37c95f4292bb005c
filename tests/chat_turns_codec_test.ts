import assert from "node:assert/strict";
import type { ChatRequest, Message, Part } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { openAiChat } from "@/dialects/openai_chat/mod.ts";
import { chatRequestOf } from "./builders.ts";
import { plainTarget, type TargetChanges, wireOf } from "./dialect_target.ts";

const decode = (rest: string) => openAiChat.decodeRequest(wireOf(`{"model":"fast",${rest}}`));

function encode(request: ChatRequest, changes: TargetChanges = {}) {
  return openAiChat.encodeRequest(request, plainTarget("openai-chat", changes));
}

function turnsOf(messages: readonly Json[]): readonly Message[] {
  return decode(`"messages":${JSON.stringify(messages)}`).request.messages;
}

const plain = { extra: {} } as const;
const text = (value: string): Part => ({ type: "text", text: value, ...plain });

function messagesOf(changes: Partial<ChatRequest>, target: TargetChanges = {}): Json | undefined {
  return encode(chatRequestOf(changes), target).body["messages"];
}

const REASONING_TARGET: TargetChanges = { reasoning: { streamBlock: "reasoning_content" } };

const PARTS: readonly (readonly [JsonObject, readonly string[]])[] = [
  [{ type: "text", text: "a", cache_control: { type: "ephemeral" } }, []],
  [{ type: "text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }, []],
  [{ type: "text", text: "a", brand_new: 1 }, []],
  [{ type: "image_url", image_url: { url: "https://x.example/a.png", detail: "low" } }, []],
  [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }, []],
  [{ type: "image_url", image_url: { url: "data:image/jpeg;base64,AAAA" } }, []],
  [{ type: "image_url", image_url: { url: "data:image/tiff;base64,AAAA" } }, ["image-type"]],
  [{ type: "image_url", image_url: { url: "data:image/svg+xml,<svg/>" } }, ["image-type"]],
  [{ type: "image_url", image_url: { file_id: "file-1" } }, ["image-file"]],
  [{ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }, ["audio"]],
  [{ type: "file", file: { file_id: "file-1" } }, ["file"]],
  [{ type: "video_url", video_url: { url: "https://x.example/a.mp4" } }, ["video"]],
  [{ type: "hologram", data: 1 }, ["other"]],
];

for (const [part, barriers] of PARTS) {
  Deno.test(`chat part ${JSON.stringify(part).slice(0, 70)} comes back as sent`, () => {
    const messages = [{ role: "user", content: [{ type: "text", text: "see" }, part] }];
    const decoded = decode(`"messages":${JSON.stringify(messages)}`);
    assert.deepEqual(decoded.barriers, barriers);
    assert.deepEqual(encode(decoded.request).body["messages"], messages);
  });
}

Deno.test("chat image is base64 with its bytes, or the URL as sent", () => {
  const urls = ["data:image/png;base64,iVBORw0KGgo=", "https://x.example/a.png?b=c"];
  const content = urls.map((url) => ({ type: "image_url", image_url: { url } }));
  const [message] = turnsOf([{ role: "user", content }]);
  assert.deepEqual(message?.parts.map((part) => part.type === "image" ? part.source : null), [
    { kind: "base64", mediaType: "image/png", data: "iVBORw0KGgo=" },
    { kind: "url", url: urls[1] },
  ]);
});

Deno.test("chat request writes the detail original as high", () => {
  const source = { kind: "url", url: "https://x.example/a.png" } as const;
  const image: Part = { type: "image", source, detail: "original", ...plain };
  const request = chatRequestOf({ messages: [{ role: "user", parts: [image], ...plain }] });
  const { body, events } = encode(request);
  assert.deepEqual(body["messages"], [{
    role: "user",
    content: [{ type: "image_url", image_url: { url: source.url, detail: "high" } }],
  }]);
  assert.deepEqual(events, [{ field: "detail", action: "rewritten", reason: "no-counterpart" }]);
});

const CALLS: readonly JsonObject[] = [
  { id: "call_1", type: "function", function: { name: "f", arguments: '{"a":1.0}' } },
  { id: "call_2", type: "custom", custom: { name: "lark", input: "a\nb" } },
];

/** Conversations that come back as they were sent. */
const TURNS: readonly (readonly JsonObject[])[] = [
  [{ role: "system", content: "s" }, { role: "developer", content: "d", name: "n" }],
  [{ role: "user", content: "u" }, { role: "system", content: "later" }],
  [{ role: "user", content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] }],
  [{ role: "user", content: "" }],
  [
    { role: "user", content: "u" },
    { role: "assistant", content: null, tool_calls: CALLS },
    { role: "tool", tool_call_id: "call_2", content: "two" },
    { role: "tool", tool_call_id: "call_1", content: "one", cache_control: { type: "ephemeral" } },
    { role: "tool", tool_call_id: "call_1", content: "again" },
    { role: "user", content: "go on" },
  ],
  [{ role: "assistant", content: "said", tool_calls: [CALLS[0]!], name: "bot" }],
  [{ role: "assistant", content: "said", refusal: "no" }],
  [{ role: "assistant", content: null, refusal: "no" }],
  [{ role: "assistant", content: "a", annotations: [{ type: "url_citation" }] }],
  [{ role: "function", name: "old", content: "x" }],
];

for (const messages of TURNS) {
  Deno.test(`chat turns ${JSON.stringify(messages).slice(0, 70)} come back as sent`, () => {
    const { request } = decode(`"messages":${JSON.stringify(messages)}`);
    assert.deepEqual(encode(request).body["messages"], messages);
  });
}

Deno.test("chat result takes the form of the call it answers", () => {
  const [, ...results] = turnsOf([
    { role: "assistant", content: "", tool_calls: CALLS },
    { role: "tool", tool_call_id: "call_1", content: "1" },
    { role: "tool", tool_call_id: "call_2", content: "2" },
    { role: "tool", tool_call_id: "lost", content: "3" },
  ]);
  const forms = results.map(({ parts: [part] }) => part?.type === "tool_result" ? part.form : "");
  assert.deepEqual(forms, ["function", "custom", "function"]);
});

Deno.test("chat assistant keeps the order reasoning, text, refusal, calls", () => {
  const [message] = turnsOf([{
    role: "assistant",
    tool_calls: CALLS,
    refusal: "no",
    content: "said",
    reasoning: "thought",
  }]);
  const types = message?.parts.map(({ type }) => type);
  assert.deepEqual(types, ["reasoning", "text", "refusal", "tool_call", "tool_call"]);
});

Deno.test("chat assistant brings the proofs of its reasoning back", () => {
  const [message] = turnsOf([{
    role: "assistant",
    content: "said",
    reasoning_content: "thought",
    reasoning_details: [
      { type: "reasoning.text", text: "thought", signature: "c2ln", format: "anthropic" },
      { type: "reasoning.encrypted", data: "cmVk", format: "anthropic" },
      { type: "reasoning.summary", summary: "unknown" },
    ],
  }]);
  assert.deepEqual(message?.parts.slice(0, 2), [
    {
      type: "reasoning",
      text: "thought",
      summary: false,
      proof: { kind: "signature", dialect: "anthropic", value: "c2ln" },
      extra: {},
    },
    {
      type: "reasoning",
      text: "",
      summary: false,
      proof: { kind: "redacted", dialect: "anthropic", value: "cmVk" },
      extra: {},
    },
  ]);
  const [other] = turnsOf([{
    role: "assistant",
    content: null,
    reasoning_content: "thought",
    reasoning_details: [{ type: "reasoning.encrypted", id: "rs_1", data: "ZW5j" }],
  }]);
  assert.deepEqual(other?.parts, [{
    type: "reasoning",
    text: "thought",
    summary: false,
    proof: { kind: "encrypted", dialect: "openai-responses", value: "ZW5j", id: "rs_1" },
    extra: {},
  }]);
});

Deno.test("chat target gets reasoning back on turns with calls, and no proof", () => {
  const thought: Part = {
    type: "reasoning",
    text: "thought",
    summary: false,
    proof: { kind: "signature", dialect: "anthropic", value: "c2ln" },
    ...plain,
  };
  const call: Part = {
    type: "tool_call",
    id: "call_1",
    name: "f",
    form: "function",
    input: "{}",
    ...plain,
  };
  const messages: readonly Message[] = [
    { role: "assistant", parts: [thought, call], ...plain },
    { role: "assistant", parts: [thought, text("said")], ...plain },
  ];
  const tool_calls = [{ id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }];
  const said = { role: "assistant", content: "said" };
  assert.deepEqual(messagesOf({ messages }, REASONING_TARGET), [
    { role: "assistant", content: null, reasoning_content: "thought", tool_calls },
    said,
  ]);
  assert.deepEqual(messagesOf({ messages }), [
    { role: "assistant", content: null, tool_calls },
    said,
  ]);
  const named = messagesOf({ messages }, { reasoning: { streamBlock: "reasoning" } });
  assert(Array.isArray(named) && isObject(named[0]) && named[0]["reasoning"] === "thought");
});

Deno.test("chat request writes instructions first, as one system message", () => {
  const messages: readonly Message[] = [{ role: "user", parts: [text("u")], ...plain }];
  assert.deepEqual(messagesOf({ instructions: [text("one")], messages }), [
    { role: "system", content: "one" },
    { role: "user", content: "u" },
  ]);
  assert.deepEqual(messagesOf({ instructions: [text("one"), text("two")] }), [
    { role: "system", content: [{ type: "text", text: "one" }, { type: "text", text: "two" }] },
  ]);
});

const IMAGE: Part = {
  type: "image",
  source: { kind: "base64", mediaType: "image/png", data: "AAAA" },
  ...plain,
};
const IMAGE_WIRE = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };

const result = (callId: string, parts: readonly Part[], isError = false): Part => ({
  type: "tool_result",
  callId,
  form: "function",
  parts,
  isError,
  ...plain,
});

Deno.test("chat request writes a tool message for each result, then what remains of the turn", () => {
  const parts = [
    result("a", [text("one"), IMAGE]),
    result("b", [text("bad")], true),
    result("c", [IMAGE], true),
    text("and now?"),
  ];
  assert.deepEqual(messagesOf({ messages: [{ role: "user", parts, ...plain }] }), [
    { role: "tool", tool_call_id: "a", content: "one" },
    { role: "tool", tool_call_id: "b", content: "[error] bad" },
    { role: "tool", tool_call_id: "c", content: "[error] " },
    {
      role: "user",
      content: [
        { type: "text", text: "Image output of a:" },
        IMAGE_WIRE,
        { type: "text", text: "Image output of c:" },
        IMAGE_WIRE,
        { type: "text", text: "and now?" },
      ],
    },
  ]);
});

Deno.test("chat request puts nothing between results that follow one another", () => {
  const messages: readonly Message[] = [
    { role: "tool", parts: [result("a", [IMAGE])], ...plain },
    { role: "tool", parts: [result("b", [text("two")])], ...plain },
    { role: "user", parts: [text("go on")], ...plain },
  ];
  assert.deepEqual(messagesOf({ messages }), [
    { role: "tool", tool_call_id: "a", content: "" },
    { role: "tool", tool_call_id: "b", content: "two" },
    { role: "user", content: [{ type: "text", text: "Image output of a:" }, IMAGE_WIRE] },
    { role: "user", content: "go on" },
  ]);
});

Deno.test("chat request puts nothing between the results of two turns of the user", () => {
  const messages: readonly Message[] = [
    { role: "user", parts: [result("a", [text("one")]), text("note")], ...plain },
    { role: "user", parts: [result("b", [text("two")])], ...plain },
  ];
  assert.deepEqual(messagesOf({ messages }), [
    { role: "tool", tool_call_id: "a", content: "one" },
    { role: "tool", tool_call_id: "b", content: "two" },
    { role: "user", content: "note" },
  ]);
});

Deno.test("longer conversation begins with the bytes of the shorter one", () => {
  const turns: readonly Message[] = [
    { role: "user", parts: [text("u")], ...plain },
    { role: "assistant", parts: [text("a")], ...plain },
    { role: "user", parts: [result("a", [IMAGE]), text("next")], ...plain },
    { role: "assistant", parts: [text("b"), text("c")], ...plain },
    { role: "tool", parts: [result("d", [IMAGE])], ...plain },
    { role: "user", parts: [text("u"), IMAGE], ...plain },
    { role: "system", parts: [text("s")], ...plain },
  ];
  const written = (length: number) =>
    JSON.stringify(messagesOf({ instructions: [text("i")], messages: turns.slice(0, length) }));
  for (let length = 0; length < turns.length; length++) {
    assert(written(length + 1).startsWith(written(length).slice(0, -1)), `turn ${length}`);
  }
  assert.equal(written(turns.length), written(turns.length));
});

const MARKED: readonly (readonly [
  Pick<ChatRequest, "caller">,
  TargetChanges["promptCacheMarkers"],
  JsonObject,
])[] = [
  [{ caller: "openai-chat" }, null, { cache_control: { type: "ephemeral", ttl: "1h" } }],
  [{ caller: "openai-responses" }, null, { cache_control: { type: "ephemeral", ttl: "1h" } }],
  [{ caller: "anthropic" }, null, {}],
  [{ caller: "anthropic" }, "cache_control", { cache_control: { type: "ephemeral", ttl: "1h" } }],
  [{ caller: "anthropic" }, "breakpoint", { prompt_cache_breakpoint: { mode: "explicit" } }],
  [{ caller: "openai-chat" }, "none", {}],
];

for (const [caller, promptCacheMarkers, expected] of MARKED) {
  const spelled = promptCacheMarkers ?? "as usual";
  Deno.test(`cache markers of ${caller.caller} callers are spelled ${spelled} for chat`, () => {
    const cache = { spelling: "cache_control", ttl: "1h" } as const;
    const marked: Part = { type: "text", text: "u", cache, ...plain };
    const messages: readonly Message[] = [{ role: "user", parts: [marked], ...plain }];
    const tools = [{ form: "function", name: "f", cache, ...plain } as const];
    const target = promptCacheMarkers === undefined ? {} : { promptCacheMarkers };
    const { body, events } = encode(chatRequestOf({ ...caller, messages, tools }), target);
    const isKept = Object.keys(expected).length > 0;
    assert.deepEqual(body["messages"], [{
      role: "user",
      content: isKept ? [{ type: "text", text: "u", ...expected }] : "u",
    }]);
    assert.deepEqual(body["tools"], [{ type: "function", function: { name: "f" }, ...expected }]);
    const stripped = events.flatMap(({ field, action }) => action === "stripped" ? field : []);
    const lost = promptCacheMarkers === "breakpoint" ? ["ttl"] : [];
    assert.deepEqual(stripped, isKept ? lost : ["cache_control"]);
  });
}

Deno.test("marker of a whole chat message stands on its last part", () => {
  const [message] = turnsOf([
    { role: "user", content: "u", cache_control: { type: "ephemeral", ttl: "5m" } },
  ]);
  assert.deepEqual(message?.parts, [{
    type: "text",
    text: "u",
    cache: { ttl: "5m", spelling: "cache_control" },
    extra: {},
  }]);
});
