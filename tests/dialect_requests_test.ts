import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { GatewayError } from "@/core/errors.ts";
import { completeFeatures, type WireFeatures } from "@/core/features.ts";
import { hostedTypes, isHostedOpenAiTool } from "@/dialects/hosted_tools.ts";
import { dialects } from "@/dialects/mod.ts";
import { openAiChat } from "@/dialects/openai_chat/mod.ts";
import { wireOf } from "./dialect_target.ts";

const TURN: Readonly<Record<DialectName, string>> = {
  "anthropic": '"messages":[]',
  "openai-chat": '"messages":[]',
  "openai-responses": '"input":[]',
};

function featuresOf(dialect: DialectName, rest: string): WireFeatures {
  return dialects.get(dialect).features(wireOf(`{"model":"fast",${rest}}`));
}

function refusal(dialect: DialectName, rest: string): GatewayError {
  try {
    featuresOf(dialect, rest);
  } catch (error) {
    assert(error instanceof GatewayError);
    return error;
  }
  throw new Error(`Cannot refuse ${rest}`);
}

/** A field of the wrong type or value, and the path the error names. */
const INVALID: readonly (readonly [DialectName, string, string])[] = [
  ["openai-chat", '"max_tokens":0', "max_tokens"],
  ["openai-chat", '"max_tokens":1.5', "max_tokens"],
  ["openai-chat", '"max_completion_tokens":"9"', "max_completion_tokens"],
  ["openai-chat", '"n":0', "n"],
  ["openai-chat", '"stream":"yes"', "stream"],
  ["openai-chat", '"stream_options":true', "stream_options"],
  ["openai-chat", '"stream_options":{"include_usage":1}', "stream_options.include_usage"],
  ["openai-chat", '"temperature":"hot"', "temperature"],
  ["openai-chat", '"tools":{}', "tools"],
  ["openai-chat", '"tools":[7]', "tools[0]"],
  ["openai-chat", '"tool_choice":7', "tool_choice"],
  ["openai-chat", '"reasoning_effort":3', "reasoning_effort"],
  ["openai-chat", '"response_format":"json"', "response_format"],
  ["openai-chat", '"metadata":[]', "metadata"],
  ["openai-responses", '"max_output_tokens":-1', "max_output_tokens"],
  ["openai-responses", '"reasoning":"high"', "reasoning"],
  ["openai-responses", '"reasoning":{"effort":1}', "reasoning.effort"],
  ["openai-responses", '"text":{"format":"json"}', "text.format"],
  ["openai-responses", '"background":"yes"', "background"],
  ["openai-responses", '"previous_response_id":7', "previous_response_id"],
  ["anthropic", '"max_tokens":0', "max_tokens"],
  ["anthropic", '"thinking":true', "thinking"],
  ["anthropic", '"thinking":{"type":"enabled","budget_tokens":"1"}', "thinking.budget_tokens"],
  ["anthropic", '"system":7', "system"],
  ["anthropic", '"tool_choice":"auto"', "tool_choice"],
];

for (const [dialect, rest, path] of INVALID) {
  Deno.test(`${dialect} refuses ${rest} and names ${path}`, () => {
    const error = refusal(dialect, `${rest},${TURN[dialect]}`);
    assert.equal(error.type, "invalid-request");
    assert.equal(error.details["path"], path);
    assert(error.message.includes(path));
  });
}

for (
  const [dialect, turn] of Object.entries({ "openai-chat": "messages", anthropic: "messages" })
) {
  Deno.test(`${dialect} refuses a body without ${turn}`, () => {
    assert.equal(refusal(dialects.get(dialect).name, '"a":1').details["reason"], "missing");
    assert.equal(refusal(dialects.get(dialect).name, `"${turn}":7`).details["path"], turn);
    const path = refusal(dialects.get(dialect).name, `"${turn}":[7]`).details["path"];
    assert.equal(path, `${turn}[0]`);
  });
}

Deno.test("openai-responses refuses a body without input unless the provider has it", () => {
  assert.equal(refusal("openai-responses", '"a":1').details["reason"], "missing");
  assert.equal(featuresOf("openai-responses", '"previous_response_id":"r"').messageCount, 0);
});

for (const dialect of dialects.items) {
  Deno.test(`${dialect.name} passes null and unknown fields`, () => {
    const rest = '"max_tokens":null,"stream":null,"tools":null,"brand_new":[{}],"temperature":null';
    const features = featuresOf(dialect.name, `${rest},${TURN[dialect.name]}`);
    assert.equal(features.outputCap, null);
    assert.equal(features.temperatureSet, false);
  });
}

Deno.test("openai-chat refuses a Responses body", () => {
  for (const field of ["input", "instructions", "reasoning", "text", "max_output_tokens"]) {
    const { type } = refusal("openai-chat", `"messages":[],"${field}":{}`);
    assert.equal(type, "responses-body-on-chat-endpoint-disabled");
  }
});

/** A Responses body that came by the Chat path, and the field that is unclear there. */
const UNCLEAR: readonly (readonly [string, string])[] = [
  ['"input":"x","include":["a"]', "include"],
  ['"input":"x","truncation":"auto"', "truncation"],
  ['"instructions":"x","metadata":{}', "metadata"],
  ['"input":"x","store":false', "store"],
  ['"input":"x","messages":[]', "messages"],
  ['"input":"x","max_output_tokens":5,"max_tokens":5', "max_tokens"],
  ['"input":"x","max_tokens":5,"max_completion_tokens":5', "max_completion_tokens"],
  ['"input":"x","tools":[{"type":"web_search"}]', "tools"],
  ['"text":{"format":{"type":"text"}},"response_format":{"type":"text"}', "response_format"],
];

for (const [rest, field] of UNCLEAR) {
  Deno.test(`openai-chat takes no ${field} in a Responses body`, () => {
    assert.throws(() => openAiChat.readAsOther?.(wireOf(`{"model":"fast",${rest}}`)), {
      type: "responses-body-field-unsupported",
      details: { field },
    });
  });
}

Deno.test("openai-chat takes a Chat body for nothing else", () => {
  const body = '{"model":"fast","messages":[],"store":true,"metadata":{},"input":null}';
  assert.equal(openAiChat.readAsOther?.(wireOf(body)), null);
});

Deno.test("openai-responses refuses background", () => {
  const { type } = refusal("openai-responses", '"input":"x","background":true');
  assert.equal(type, "responses-background-unsupported");
});

const FORBIDDEN: readonly (readonly [DialectName, string, readonly string[]])[] = [
  ["openai-responses", '"tools":[{"type":"mcp"},{"type":"code_interpreter"}]', [
    "code_interpreter",
    "mcp",
  ]],
  ["openai-responses", '"tools":[{"type":"computer_use_preview"}]', ["computer_use_preview"]],
  ["openai-responses", '"tools":[{"type":"namespace","tools":[{"type":"mcp"}]}]', ["mcp"]],
  ["openai-responses", '"tool_choice":{"type":"file_search"}', ["file_search"]],
  ["openai-chat", '"tools":[{"type":"function","server_url":"https://x.example"}]', ["function"]],
  ["anthropic", '"tools":[{"type":"code_execution_20250522"}]', ["code_execution_20250522"]],
  ["anthropic", '"mcp_servers":[{"url":"https://x.example"}]', ["mcp_servers"]],
];

for (const [dialect, rest, types] of FORBIDDEN) {
  Deno.test(`${dialect} refuses hosted tools: ${rest}`, () => {
    const error = refusal(dialect, `${rest},${TURN[dialect]}`);
    assert.equal(error.type, "provider-hosted-tools-forbidden");
    assert.deepEqual(error.details["tool_types"], types);
  });
}

Deno.test("anthropic passes computer and editor tools of the caller", () => {
  const tools = '"tools":[{"type":"computer_20250124"},{"type":"text_editor_20250728"}]';
  assert.equal(featuresOf("anthropic", `${tools},"messages":[]`).toolCount, 2);
});

const CHOICES: readonly (readonly [DialectName, string, string])[] = [
  ["openai-chat", "null", "null"],
  ["openai-chat", '"none"', "none"],
  ["openai-chat", '"required"', "required"],
  ["openai-chat", '{"type":"function","function":{"name":"f"}}', "named"],
  ["openai-chat", '{"type":"allowed_tools","allowed_tools":{"mode":"required"}}', "required"],
  ["openai-responses", '{"type":"allowed_tools","mode":"auto","tools":[]}', "auto"],
  ["openai-responses", '{"type":"function","name":"f"}', "named"],
  ["anthropic", '{"type":"auto"}', "auto"],
  ["anthropic", '{"type":"any"}', "required"],
  ["anthropic", '{"type":"tool","name":"f"}', "named"],
  ["anthropic", '{"type":"none"}', "none"],
];

for (const [dialect, choice, mode] of CHOICES) {
  Deno.test(`${dialect} reads the tool choice ${choice} as ${mode}`, () => {
    assert.equal(featuresOf(dialect, `${TURN[dialect]},"tool_choice":${choice}`).toolChoice, mode);
    assert.equal(featuresOf(dialect, TURN[dialect]).toolChoice, "omitted");
  });
}

Deno.test("hello world is estimated at 10 tokens", () => {
  const wire = featuresOf("openai-chat", '"messages":[{"role":"user","content":"hello world"}]');
  const group = { imageTokens: 1_024, defaultOutputTokens: 4_096 };
  const sizes = { requestBytes: 1, toolSchemaBytes: 0 };
  assert.equal(completeFeatures(wire, sizes, group).estimatedInputTokens, 10);
});

Deno.test("hosted tools are recorded by types that are names, never by a caller's own words", () => {
  const types = ["web_search", "web_search my password is hunter2", `web_search${"x".repeat(99)}`];
  const tools = [...types, "function"].map((type) => ({ type }));
  assert.deepEqual(hostedTypes(tools, isHostedOpenAiTool), ["other", "web_search"]);
  const many = Array.from({ length: 99 }, (_, index) => ({ type: `web_search_${index}` }));
  assert.equal(hostedTypes(many, isHostedOpenAiTool).length, 32);
});

const PRIVATE = "http://10.0.0.1/a";

/** Content parts by which a provider fetches something, whatever they say they are. */
const FETCHED: readonly (readonly [DialectName, string, object])[] = [
  ["openai-chat", "an image", { type: "image_url", image_url: { url: PRIVATE } }],
  ["openai-chat", "an image of no type", { image_url: { url: PRIVATE } }],
  ["openai-chat", "an image of no type, bare", { image_url: PRIVATE }],
  ["openai-chat", "an image of another dialect", { type: "input_image", image_url: PRIVATE }],
  ["openai-chat", "an image of a third dialect", { type: "image", source: { url: PRIVATE } }],
  ["openai-chat", "a video", { type: "video_url", video_url: { url: PRIVATE } }],
  ["openai-chat", "a video of no type", { video_url: { url: PRIVATE } }],
  ["openai-chat", "a sound", { type: "audio_url", audio_url: { url: PRIVATE } }],
  ["openai-chat", "an image that says it is text", { type: "text", image_url: PRIVATE }],
  ["openai-chat", "an image in another case", { "Image_URL": { "URL": PRIVATE } }],
  ["openai-chat", "a video that is there twice", {
    video_url: { url: PRIVATE, "Url": "data:video/mp4;base64,AAAA" },
  }],
  ["openai-responses", "an image", { type: "input_image", image_url: PRIVATE }],
  ["openai-responses", "an image of another dialect", {
    type: "image_url",
    image_url: { url: PRIVATE },
  }],
  ["openai-responses", "a file", { type: "input_file", file_url: PRIVATE }],
  ["anthropic", "an image", { type: "image", source: { type: "url", url: PRIVATE } }],
  ["anthropic", "a document", { type: "document", source: { type: "url", url: PRIVATE } }],
  ["anthropic", "an image of another dialect", {
    type: "image_url",
    image_url: { url: PRIVATE },
  }],
];

const contentOf = (dialect: DialectName, part: object) =>
  `"${dialect === "openai-responses" ? "input" : "messages"}":${
    JSON.stringify([{ role: "user", content: [part] }])
  }`;

for (const [dialect, name, part] of FETCHED) {
  Deno.test(`${dialect} gives the URL of ${name} to be judged`, () => {
    assert.deepEqual(featuresOf(dialect, contentOf(dialect, part)).imageUrls, [PRIVATE]);
  });
}

Deno.test("an item of a Responses input is judged as a part of it is", () => {
  const { imageUrls } = featuresOf(
    "openai-responses",
    `"input":[{"type":"input_image","image_url":"${PRIVATE}"}]`,
  );
  assert.deepEqual(imageUrls, [PRIVATE]);
});

/** Parts of which nothing is fetched: text, inline data, where a text is from. */
const INLINE: readonly (readonly [DialectName, object])[] = [
  ["openai-chat", { type: "text", text: PRIVATE }],
  ["openai-chat", { type: "video_url", video_url: { url: "data:video/mp4;base64,AAAA" } }],
  ["openai-chat", { type: "image_url", image_url: { url: 7 } }],
  ["openai-responses", { type: "input_text", text: PRIVATE }],
  ["openai-responses", { type: "input_file", file_data: "data:application/pdf;base64,AAAA" }],
  ["anthropic", { type: "search_result", source: PRIVATE, content: [] }],
  ["anthropic", { type: "document", source: { type: "base64", data: "AAAA" } }],
];

for (const [dialect, part] of INLINE) {
  Deno.test(`${dialect} gives nothing to be judged of ${JSON.stringify(part)}`, () => {
    assert.deepEqual(featuresOf(dialect, contentOf(dialect, part)).imageUrls, []);
  });
}

Deno.test("a Chat part without a type is what its members say", () => {
  const count = (part: object) => featuresOf("openai-chat", contentOf("openai-chat", part));
  assert.deepEqual(count({ image_url: { url: PRIVATE } }).inputModalities, ["text", "image"]);
  assert.deepEqual(count({ video_url: { url: PRIVATE } }).inputModalities, ["text", "video"]);
  assert.deepEqual(count({ audio_url: { url: PRIVATE } }).inputModalities, ["text", "audio"]);
});
