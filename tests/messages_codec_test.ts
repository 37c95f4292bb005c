import assert from "node:assert/strict";
import type { Part } from "@/core/chat.ts";
import { GatewayError } from "@/core/errors.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import { readWire } from "@/core/scan.ts";
import { dialects } from "@/dialects/mod.ts";
import { plainTarget } from "./dialect_target.ts";

const messages = dialects.get("anthropic");
const FUNCTION = { form: "function", name: "f", extra: {} } as const;
const MARK = { cache_control: { type: "ephemeral" } };
const CACHE = { spelling: "prompt_cache_breakpoint" } as const;

function text(value: string): Part {
  return { type: "text", text: value, extra: {} };
}

function decode(members: JsonObject | string) {
  const rest = typeof members === "string" ? members : JSON.stringify(members).slice(1, -1);
  const body = `{"model":"fast"${rest === "" ? "" : `,${rest}`}}`;
  const wire = readWire(new TextEncoder().encode(body));
  messages.features(wire);
  return messages.decodeRequest(wire);
}

const said = (...content: Json[]) => ({ messages: [{ role: "user", content }] });
const partsOf = (...content: Json[]) => decode(said(...content)).request.messages[0]?.parts;

Deno.test("Messages reads and writes an agent's request unchanged", () => {
  const body: JsonObject = {
    max_tokens: 32_000,
    system: [{
      type: "text",
      text: "You are an agent.",
      cache_control: { type: "ephemeral", ttl: "1h" },
    }],
    tools: [{
      name: "Read",
      description: "Reads",
      input_schema: { type: "object" },
      strict: true,
      ...MARK,
      defer_loading: true,
    }],
    tool_choice: { type: "auto", disable_parallel_tool_use: true },
    thinking: { type: "enabled", budget_tokens: 10_000, display: "summarized" },
    output_config: { effort: "high", task_budget: { total: 9 } },
    metadata: { user_id: "u" },
    context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
    stop_sequences: ["END"],
    stream: true,
    messages: [
      { role: "user", content: [{ type: "text", text: "Go" }] },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "Hm", signature: "EqQB" },
          { type: "redacted_thinking", data: "EmwK" },
          { type: "tool_use", id: "toolu_1", name: "Read", input: { path: "a", limit: 7 } },
        ],
      },
      {
        role: "user",
        content: [
          {
            type: "tool_result",
            tool_use_id: "toolu_1",
            content: [{ type: "text", text: "no" }],
            is_error: true,
            ...MARK,
          },
          { type: "text", text: "Again" },
        ],
      },
      { role: "system", content: [{ type: "text", text: "Be brief." }] },
    ],
  };
  const { request, barriers } = decode(body);
  const { body: sent, events } = messages.encodeRequest(request, plainTarget("anthropic"));
  assert.deepEqual(JSON.parse(JSON.stringify(sent)), { model: "fast", ...body });
  assert.deepEqual([events, barriers], [[], ["stop"]]);
});

Deno.test("Messages reads a caller's fields into the neutral form", () => {
  const { request } = decode({
    system: "Be brief",
    messages: [{ role: "user", content: "Hi" }, { role: "system", content: "Now" }],
    temperature: 0.5,
    top_p: 0.9,
    top_k: 4,
    cache_control: { type: "ephemeral" },
    output_format: { type: "json_schema", schema: { type: "object" } },
    tool_choice: { type: "tool", name: "f" },
    tools: [{ type: "custom", name: "f" }],
  });
  assert.deepEqual(request.instructions, [text("Be brief")]);
  assert.deepEqual(request.messages.map(({ role }) => role), ["user", "system"]);
  assert.deepEqual(request.sampling, { temperature: 0.5, topP: 0.9, topK: 4 });
  assert.deepEqual(request.output, { type: "schema", schema: { type: "object" } });
  assert.deepEqual(request.toolChoice, { mode: "tool", name: "f", form: "function" });
  assert.deepEqual(request.tools, [FUNCTION]);
  assert.equal(request.cacheAuto, true);
});

const THINKING: readonly (readonly [JsonObject, Json])[] = [
  [{ thinking: { type: "enabled", budget_tokens: 5 } }, { mode: "budget", budgetTokens: 5 }],
  [{ thinking: { type: "adaptive" }, output_config: { effort: "max" } }, {
    mode: "adaptive",
    effort: "max",
  }],
  [{ thinking: { type: "between_tools" } }, {
    mode: "adaptive",
    extra: { anthropic: { type: "between_tools" } },
  }],
  [{ thinking: { type: "disabled" } }, { mode: "off" }],
  [{ output_config: { effort: "low" } }, { mode: "effort", effort: "low" }],
];

for (const [body, reasoning] of THINKING) {
  Deno.test(`Messages reads ${JSON.stringify(body)}`, () => {
    const { request } = decode({ ...said("x"), messages: [], ...body });
    assert.deepEqual(request.reasoning, { extra: { anthropic: {} }, ...Object(reasoning) });
  });
}

Deno.test("Messages keeps the spelling of numbers in calls", () => {
  const call =
    '{"type":"tool_use","id":"a","name":"f","input":{"x": 1.0, "y": 12345678901234567890}}';
  const { request } = decode(`"messages":[{"role":"assistant","content":[${call}]}]`);
  const part = request.messages[0]?.parts[0];
  assert(part?.type === "tool_call");
  assert.equal(part.input, '{"x":1.0,"y":12345678901234567890}');
  const { body } = messages.encodeRequest(request, plainTarget("anthropic"));
  assert(JSON.stringify(body).includes('"input":{"x":1.0,"y":12345678901234567890}'));
});

const document = {
  type: "document",
  source: { type: "text", media_type: "text/plain", data: "x" },
};
const BARRIERS: readonly (readonly [JsonObject, readonly string[]])[] = [
  [said({ type: "text", text: "x" }), []],
  [said(document), ["file"]],
  [said({ ...document, citations: { enabled: true } }), ["file", "citations"]],
  [said({ type: "search_result", source: "s", title: "t", content: [] }), ["citations"]],
  [said({ type: "image", source: { type: "file", file_id: "file_1" } }), ["image-file"]],
  [said({ type: "image", source: { type: "base64", media_type: "image/tiff", data: "" } }), [
    "image-type",
  ]],
  [said({ type: "tool_result", tool_use_id: "a", content: [document] }), ["file"]],
  [said({ type: "container_upload", file_id: "f" }), ["stored-state"]],
  [said({ type: "web_search_tool_result", tool_use_id: "a", content: [] }), ["hosted-tools"]],
  [said({ type: "server_tool_use", id: "a", name: "web_search", input: {} }), ["hosted-tools"]],
  [said({ type: "brand_new" }), ["other"]],
  [{ messages: [], inference_geo: "eu" }, ["inference-geo"]],
  [{ messages: [], container: "c_1" }, ["stored-state"]],
  [{ messages: [], context_management: { edits: [{ type: "compact_20260112" }] } }, [
    "context-management",
  ]],
  [{ messages: [], context_management: { edits: [{ type: "clear_thinking_20251015" }] } }, []],
  [{ messages: [], stop_sequences: ["x"] }, ["stop"]],
  [{ messages: [], tool_choice: null }, ["null-tool-choice"]],
  [{ messages: [], tools: [{ type: "web_search_20250305", name: "web_search" }] }, [
    "hosted-tools",
  ]],
  [{ messages: [], tools: [{ type: "bash_20250124", name: "bash" }] }, ["typed-tools"]],
  [{ messages: [{ role: "assistant", content: "It is" }] }, ["prefill"]],
];

for (const [body, barriers] of BARRIERS) {
  Deno.test(`Messages reports ${barriers.join(" and ") || "nothing"} for ${JSON.stringify(body)}`, () => {
    assert.deepEqual(decode(body).barriers, barriers);
  });
}

const REFUSED: readonly (readonly [JsonObject, string])[] = [
  [{ messages: [{ role: "robot", content: "x" }] }, "messages[0].role"],
  [{ messages: [{ content: "x" }] }, "messages[0].role"],
  [said(7), "messages[0].content[0]"],
  [said({ type: "text", text: 7 }), "messages[0].content[0].text"],
  [said({ type: "tool_result", is_error: "no" }), "messages[0].content[0].is_error"],
  [said({ type: "image", source: 7 }), "messages[0].content[0].source"],
  [{ messages: [], stop_sequences: [7] }, "stop_sequences[0]"],
  [{ messages: [], tool_choice: { type: "maybe" } }, "tool_choice.type"],
  [{ messages: [], tools: [{ input_schema: {} }] }, "tools[0].name"],
  [{ messages: [], system: [{ type: "image", source: {} }] }, "system[0].type"],
];

for (const [body, path] of REFUSED) {
  Deno.test(`Messages refuses ${JSON.stringify(body)}, naming ${path}`, () => {
    assert.throws(() => decode(body), (error) => {
      assert(error instanceof GatewayError);
      return error.type === "invalid-request" && error.details["path"] === path;
    });
  });
}

Deno.test("Messages reads markers in both spellings", () => {
  const parts = partsOf(
    { type: "text", text: "a", cache_control: { type: "ephemeral", ttl: "1h" } },
    { type: "text", text: "b", prompt_cache_breakpoint: { mode: "explicit" } },
  );
  assert.deepEqual(parts?.map(({ cache }) => cache), [
    { ttl: "1h", spelling: "cache_control" },
    CACHE,
  ]);
});
