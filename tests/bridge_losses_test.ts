import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { rejections } from "@/core/eligibility.ts";
import { completeFeatures } from "@/core/features.ts";
import type { Json } from "@/core/json.ts";
import { stepAll } from "@/core/stream.ts";
import { lowerTools } from "@/core/tool_table.ts";
import type { FieldEvent, SseFrame } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { crossed } from "./crossed.ts";
import { plainTarget, wireOf } from "./dialect_target.ts";

const URL = "https://pictures.example/a.png";
const HI = { role: "user", content: "hi" };

Deno.test("an image before the conversation leads to responses as an item", () => {
  const content = [{ type: "text", text: "look" }, { type: "image_url", image_url: { url: URL } }];
  const { body } = crossed(["openai-chat", "openai-responses"], {
    messages: [{ role: "system", content }, HI],
  });
  assert.equal(body["instructions"], undefined);
  assert.deepEqual(body["input"], [
    {
      role: "developer",
      content: [{ type: "input_text", text: "look" }, { type: "input_image", image_url: URL }],
    },
    { role: "user", content: [{ type: "input_text", text: "hi" }] },
  ]);
});

Deno.test("an image of a developer turn crosses to anthropic wherever it stands", () => {
  const developer = {
    role: "developer",
    content: [{ type: "input_text", text: "look" }, { type: "input_image", image_url: URL }],
  };
  const blocks = [
    { type: "text", text: "<system>\nlook\n</system>" },
    { type: "image", source: { type: "url", url: URL } },
  ];
  const pair = ["openai-responses", "anthropic"] as const;
  const hi = { type: "text", text: "hi" };
  const later = crossed(pair, { input: [HI, developer] }).body;
  assert.deepEqual(later["messages"], [{ role: "user", content: [hi, ...blocks] }]);
  const leading = crossed(pair, { input: [developer, HI] }).body;
  assert.equal(leading["system"], undefined);
  assert.deepEqual(leading["messages"], [{ role: "user", content: [...blocks, hi] }]);
});

Deno.test("a choice among no tools stays behind where the wire refuses one", () => {
  const codex = { input: "hi", tools: [], tool_choice: "auto", parallel_tool_calls: false };
  for (const to of ["openai-chat", "anthropic"] as const) {
    const { body, events } = crossed(["openai-responses", to], codex);
    assert.equal(body["tool_choice"], undefined);
    assert.equal(body["parallel_tool_calls"], undefined);
    assert(events.some(({ field }) => field === "tool_choice"));
    const forced = crossed(["openai-responses", to], { ...codex, tool_choice: "required" });
    assert.notEqual(forced.body["tool_choice"], undefined, "a demand is never weakened");
  }
});

Deno.test("thinking that a Chat caller demands without a budget is no permission", () => {
  const asked = { messages: [HI], thinking: { type: "enabled" } };
  const wire = wireOf(JSON.stringify(asked));
  const chat = dialects.get("openai-chat");
  const target = plainTarget("openai-responses", {
    inboundDialects: ["openai-chat"],
    reasoning: { supported: false },
  });
  const features = completeFeatures(
    chat.features(wire),
    { requestBytes: wire.bytes.length, toolSchemaBytes: 0 },
    { imageTokens: 1_024, defaultOutputTokens: 4_096 },
  );
  const decoded = () => chat.decodeRequest(wire);
  const reasons = rejections(target, {
    dialect: "openai-chat",
    features,
    unknownLimits: "allow",
    costLimited: false,
    decoded,
  });
  assert.deepEqual(reasons, ["reasoning-support"]);
  const { body } = crossed(["openai-chat", "openai-responses"], asked);
  assert.deepEqual(body["reasoning"], { effort: "medium" });
  const anthropic = crossed(["openai-chat", "anthropic"], asked).body;
  assert.deepEqual(anthropic["output_config"], { effort: "medium" });
});

Deno.test("a Messages format that is no schema is refused by name on a bridge", () => {
  const body = { max_tokens: 9, messages: [HI] };
  const pair = ["anthropic", "openai-chat"] as const;
  for (
    const format of [{ output_format: { type: "x" } }, { output_config: { format: { type: "x" } } }]
  ) {
    assert.deepEqual(crossed(pair, { ...body, ...format }).reasons, ["bridge-other"]);
  }
  const empty = { output_config: { format: { type: "json_schema" } } };
  assert.throws(() => crossed(pair, { ...body, ...empty }), /output_config\.format\.schema/);
});

Deno.test("fields inside a result are not lost without a word", () => {
  const { events } = crossed(["anthropic", "openai-chat"], {
    max_tokens: 9,
    messages: [HI, {
      role: "assistant",
      content: [{ type: "tool_use", id: "t", name: "f", input: {} }],
    }, {
      role: "user",
      content: [{
        type: "tool_result",
        tool_use_id: "t",
        content: [{ type: "text", text: "x", from_the_future: 1 }],
      }],
    }],
  });
  assert.deepEqual(events, [{ field: "other", action: "stripped", reason: "no-counterpart" }]);
});

for (
  const [where, tool, call, image] of [
    ["a tool", { future: 1 }, {}, {}],
    ["a call", {}, { future: 1 }, {}],
    ["a picture", {}, {}, { future: 1 }],
  ] as const
) {
  Deno.test(`a field inside the inner object of ${where} is not lost without a word`, () => {
    const body = {
      messages: [
        { role: "user", content: [{ type: "image_url", image_url: { url: URL, ...image } }] },
        {
          role: "assistant",
          content: null,
          tool_calls: [{
            id: "c",
            type: "function",
            function: { name: "f", arguments: "{}", ...call },
          }],
        },
        { role: "tool", tool_call_id: "c", content: "x" },
      ],
      tools: [{ type: "function", function: { name: "f", parameters: {}, ...tool } }],
    };
    for (const far of ["anthropic", "openai-responses"] as const) {
      assert.deepEqual(crossed(["openai-chat", far], body).events.filter(isOther), [
        { field: "other", action: "stripped", reason: "no-counterpart" },
      ]);
    }
    const home = crossed(["openai-chat", "openai-chat"], body);
    assert.deepEqual(home.body, { model: "up-1", ...body });
    assert.deepEqual(home.events, []);
  });
}

for (const name of ["whole", "role", "piece", "about", "beside"]) {
  Deno.test(`a member "${name}" of a caller is one that nobody knows, and no mark of ours`, () => {
    const other = { field: "other", action: "stripped", reason: "no-counterpart" };
    const call = { type: "function_call", call_id: "c", name: "f", arguments: "{}" };
    const output = { type: "function_call_output", call_id: "c", output: "1" };
    for (const value of [true, "system", { status: "x", text: "forged" }]) {
      const input = [HI, { ...call, [name]: value }, output];
      for (const to of ["openai-chat", "anthropic"] as const) {
        const plain = crossed(["openai-responses", to], { input: [HI, call, output] });
        const { body, events } = crossed(["openai-responses", to], { input });
        assert.deepEqual(body, plain.body);
        assert.deepEqual(events, [...plain.events, other]);
      }
      const turns = input.slice(1);
      const own = crossed(["openai-responses", "openai-responses"], { input: turns });
      assert.deepEqual([own.body["input"], own.events], [turns, []]);
    }
  });
}

Deno.test("a cache marker inside the function of a tool reaches the tool", () => {
  const marker = { cache_control: { type: "ephemeral", ttl: "1h" } };
  const { body } = crossed(["openai-chat", "anthropic"], {
    messages: [HI],
    tools: [{ type: "function", function: { name: "f", ...marker } }],
  });
  const schema = { type: "object", properties: {} };
  assert.deepEqual(body["tools"], [{ name: "f", input_schema: schema, ...marker }]);
});

function isOther({ field }: FieldEvent): boolean {
  return field === "other";
}

/** Chunks of a Chat stream as frames. */
function chatFrames(deltas: readonly Json[], finish: string): readonly SseFrame[] {
  const chunk = (choice: Json) => JSON.stringify({ id: "chatcmpl-1", choices: [choice] });
  return [
    ...deltas.map((delta) => chunk({ index: 0, delta })),
    chunk({ index: 0, delta: {}, finish_reason: finish }),
    "[DONE]",
  ].map((data) => ({ event: "", data }));
}

/** A fragment of a call; the first one of a call has its name. */
function fragment(index: number, text: string, name?: string): Json {
  const named = name === undefined ? {} : { id: `call_${index}` };
  const call = { index, ...named, function: { ...(name && { name }), arguments: text } };
  return { tool_calls: [call] };
}

Deno.test("arguments that are a list reach their call whole though another has data", () => {
  const frames = chatFrames(
    [fragment(0, '[{"a":1}', "f"), fragment(1, "{}", "g"), fragment(0, ',{"b":2}]')],
    "tool_calls",
  );
  const events = stepAll(frames, dialects.get("openai-chat").decodeStream());
  const { request } = dialects.get("anthropic").decodeRequest(wireOf('{"messages":[]}'));
  const writer = dialects.get("anthropic").encodeStream({ callId: "0".repeat(32), request });
  const pieces = stepAll(events, writer).map(({ data }) => JSON.parse(data)).flatMap((value) =>
    value.delta?.partial_json ? [[value.index, value.delta.partial_json]] : []
  );
  assert.deepEqual(pieces, [[0, '[{"a":1}'], [0, ',{"b":2}]'], [1, "{}"]]);
});

Deno.test("parallel calls of free text tools follow each other as they end", () => {
  const body = { input: "hi", tools: [{ type: "custom", name: "patch" }] };
  const responses = dialects.get("openai-responses");
  const { request } = responses.decodeRequest(wireOf(JSON.stringify(body)));
  const chat = dialects.get("openai-chat");
  const restore = lowerTools(request, chat.toolLimits).restoreStream();
  const writer = responses.encodeStream({ callId: "0".repeat(32), request });
  const decoder = chat.decodeStream();
  const texts: string[] = [];
  const frames = chatFrames(
    [fragment(0, '{"input":"one"}', "patch"), fragment(1, '{"input":"two"', "patch")],
    "tool_calls",
  );
  for (const frame of frames.slice(0, 2)) {
    for (const event of decoder.step(frame)) {
      for (const restored of restore.step(event)) {
        for (const { data } of writer.step(restored)) texts.push(JSON.parse(data).delta ?? "");
      }
    }
  }
  assert.deepEqual(texts.filter((text) => text !== ""), ["one", "two"]);
});

Deno.test("texts of white space, which the Messages wire refuses, stay behind in turns alone", () => {
  const call = { id: "c1", type: "function", function: { name: "f", arguments: "{}" } };
  const { body } = crossed(["openai-chat", "anthropic"], {
    messages: [
      { role: "system", content: " " },
      HI,
      { role: "assistant", content: "\n\n", tool_calls: [call] },
      { role: "tool", tool_call_id: "c1", content: "\n" },
      { role: "system", content: "\t" },
    ],
  });
  assert.equal(body["system"], undefined);
  assert.deepEqual(body["messages"], [
    { role: "user", content: [{ type: "text", text: "hi" }] },
    { role: "assistant", content: [{ type: "tool_use", id: "c1", name: "f", input: {} }] },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "c1", content: [{ type: "text", text: "\n" }] },
      ],
    },
  ]);
});

Deno.test("a tool whose schema takes anything has an object where the wire wants one", () => {
  const chat = {
    messages: [HI],
    tools: [{ type: "function", function: { name: "f", parameters: {} } }],
  };
  const none = { type: "object", properties: {} };
  const schemaOf = (to: DialectName, member: string) => {
    const [tool]: Json[] = Object(crossed(["openai-chat", to], chat).body["tools"]);
    return Object(tool)[member];
  };
  assert.deepEqual(schemaOf("anthropic", "input_schema"), none);
  assert.deepEqual(schemaOf("openai-responses", "parameters"), none);
});

Deno.test("a choice among hosted tools alone leaves none to call", () => {
  const search = { type: "web_search" };
  const body = {
    input: "hi",
    tools: [search, { type: "function", name: "f" }],
    tool_choice: { type: "allowed_tools", mode: "auto", tools: [search] },
  };
  assert.equal(crossed(["openai-responses", "openai-chat"], body).body["tool_choice"], "none");
});
