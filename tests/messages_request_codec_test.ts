import assert from "node:assert/strict";
import type { ChatRequest, Message, Part } from "@/core/chat.ts";
import { GatewayError } from "@/core/errors.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import { dialects } from "@/dialects/mod.ts";
import { plainTarget, type TargetChanges } from "./dialect_target.ts";

const messages = dialects.get("anthropic");
const HELLO: Message = { role: "user", parts: [text("Hello")], extra: {} };
const FUNCTION = { form: "function", name: "f", extra: {} } as const;
const MARK = { cache_control: { type: "ephemeral" } };
const CACHE = { spelling: "prompt_cache_breakpoint" } as const;

function text(value: string): Part {
  return { type: "text", text: value, extra: {} };
}

/** A request of another dialect's caller. */
function asked(changes: Partial<ChatRequest>): ChatRequest {
  return {
    model: "up-1",
    instructions: [],
    messages: [HELLO],
    tools: [],
    output: { type: "text" },
    stop: [],
    sampling: {},
    stream: false,
    includeUsage: true,
    cacheAuto: false,
    extra: { "openai-chat": {} },
    ...changes,
  };
}

function encode(changes: Partial<ChatRequest>, target: TargetChanges = {}) {
  const { body, events } = messages.encodeRequest(asked(changes), plainTarget("anthropic", target));
  return {
    body: JSON.parse(JSON.stringify(body)),
    events: events.map(({ field, action }) => `${field} ${action}`),
  };
}

/** The turns a list of messages becomes. */
function turns(list: readonly Message[]): Json {
  return encode({ messages: list }).body.messages;
}

Deno.test("Messages writes turns: one per role, results first, empty texts left out", () => {
  const result = (callId: string): Part => ({
    type: "tool_result",
    callId,
    form: "function",
    parts: [text("18"), text("")],
    isError: callId === "b",
    extra: {},
  });
  const sent = turns([
    { role: "system", parts: [text("Lead")], extra: {} },
    { role: "user", parts: [text("Go"), text("")], extra: {} },
    { role: "assistant", parts: [text("")], extra: {} },
    { role: "user", parts: [{ type: "refusal", text: "On", extra: {} }], extra: {} },
    {
      role: "assistant",
      parts: [{ type: "tool_call", id: "a", name: "f", form: "function", input: "", extra: {} }],
      extra: {},
    },
    { role: "developer", parts: [text("Mind"), text("this")], extra: {} },
    { role: "tool", parts: [result("a")], extra: {} },
    { role: "tool", parts: [result("b")], extra: {} },
  ]);
  const content = [{ type: "text", text: "18" }];
  assert.deepEqual(sent, [
    { role: "user", content: [{ type: "text", text: "Go" }, { type: "text", text: "On" }] },
    { role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: {} }] },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "a", content },
        { type: "tool_result", tool_use_id: "b", content, is_error: true },
        { type: "text", text: "<system>\nMind\n\nthis\n</system>" },
      ],
    },
  ]);
});

Deno.test("Messages puts instructions and leading system turns into system", () => {
  const { body } = encode({
    instructions: [{ ...text("A"), cache: CACHE }],
    messages: [{ role: "developer", parts: [text("B")], extra: {} }, HELLO],
  });
  assert.deepEqual(body.system, [{ type: "text", text: "A", ...MARK }, {
    type: "text",
    text: "B",
  }]);
  assert.equal(body.messages.length, 1);
});

Deno.test("Messages refuses to write a conversation without a turn", () => {
  assert.throws(() => turns([{ role: "system", parts: [text("x")], extra: {} }]), GatewayError);
});

Deno.test("Messages sends back only the proofs of its own providers", () => {
  const reasoning = (
    dialect: "anthropic" | "openai-responses",
    kind: "signature" | "encrypted",
  ): Part => ({
    type: "reasoning",
    text: "Hm",
    summary: false,
    proof: { kind, dialect, value: "v" },
    extra: {},
  });
  const parts: Part[] = [
    reasoning("openai-responses", "encrypted"),
    { type: "reasoning", text: "unsigned", summary: false, extra: {} },
    reasoning("anthropic", "signature"),
    text("Yes"),
  ];
  const { body, events } = encode({ messages: [HELLO, { role: "assistant", parts, extra: {} }] });
  assert.deepEqual(body.messages[1].content, [
    { type: "thinking", thinking: "Hm", signature: "v" },
    { type: "text", text: "Yes" },
  ]);
  assert.deepEqual(events.filter((event) => event.startsWith("reasoning")), [
    "reasoning stripped",
    "reasoning stripped",
  ]);
});

Deno.test("Messages keeps the last four of more cache markers", () => {
  const parts = ["a", "b", "c", "d"].map((value) => ({ ...text(value), cache: CACHE }));
  const { body, events } = encode({
    tools: [{ ...FUNCTION, cache: CACHE }],
    messages: [{ role: "user", parts, extra: {} }],
  });
  assert.equal(JSON.stringify(body).split("cache_control").length - 1, 4);
  assert.equal(body.tools[0].cache_control, undefined);
  assert(events.includes("cache_control stripped"));
});

const TURN: Message = { role: "assistant", parts: [text("Yes")], extra: {} };
const CACHING: readonly (readonly [string, Partial<ChatRequest>, boolean])[] = [
  ["one turn", {}, false],
  ["tools", { tools: [FUNCTION] }, true],
  ["a cache key", { cacheKey: "k" }, true],
  ["an earlier turn", { messages: [HELLO, TURN, HELLO] }, true],
  ["a marker", { tools: [{ ...FUNCTION, cache: CACHE }] }, false],
  ["explicit caching", {
    tools: [FUNCTION],
    extra: { "openai-chat": { prompt_cache_options: { mode: "explicit" } } },
  }, false],
  ["the caller's own wish", { cacheAuto: true }, true],
  ["a caller of this dialect", { tools: [FUNCTION], extra: { anthropic: {} } }, false],
];

for (const [name, changes, caches] of CACHING) {
  Deno.test(`Messages with ${name} ${caches ? "asks" : "does not ask"} the provider to cache`, () => {
    assert.equal(encode(changes).body.cache_control !== undefined, caches);
    const none = encode(changes, { promptCacheMarkers: "none" });
    assert(!JSON.stringify(none.body).includes("cache_control"));
  });
}

interface Amount {
  readonly name: string;
  readonly request: Partial<ChatRequest>;
  readonly target?: TargetChanges;
  readonly sent: JsonObject;
}

const BUDGETED = { reasoning: { control: "token_budget" } } as const;
const effort = (value: "none" | "minimal" | "low" | "high" | "xhigh") =>
  ({ reasoning: { mode: "effort", effort: value, extra: {} } }) as const;
const CALLED: Part = {
  type: "tool_call",
  id: "a",
  name: "f",
  form: "function",
  input: "{}",
  extra: {},
};
const OPEN: Message[] = [
  HELLO,
  { role: "assistant", parts: [CALLED], extra: {} },
  {
    role: "tool",
    parts: [{
      type: "tool_result",
      callId: "a",
      form: "function",
      parts: [],
      isError: false,
      extra: {},
    }],
    extra: {},
  },
];
const OFF = { thinking: { type: "disabled" } };
const PROOF: Part = {
  type: "reasoning",
  text: "",
  summary: false,
  proof: { kind: "redacted", dialect: "anthropic", value: "d" },
  extra: {},
};

const AMOUNTS: readonly Amount[] = [
  { name: "no reasoning", request: {}, sent: { max_tokens: 4_096 } },
  {
    name: "an effort",
    request: effort("high"),
    sent: { max_tokens: 4_096, thinking: { type: "adaptive" }, output_config: { effort: "high" } },
  },
  {
    name: "an effort the target does not list",
    request: effort("xhigh"),
    sent: { max_tokens: 4_096, thinking: { type: "adaptive" }, output_config: { effort: "high" } },
  },
  {
    name: "the least effort",
    request: effort("minimal"),
    target: { reasoning: { efforts: ["minimal"] } },
    sent: { max_tokens: 4_096, thinking: { type: "adaptive" }, output_config: { effort: "low" } },
  },
  { name: "no effort", request: effort("none"), sent: { max_tokens: 4_096, ...OFF } },
  {
    name: "a budget for an effort",
    request: effort("low"),
    target: BUDGETED,
    sent: { max_tokens: 6_144, thinking: { type: "enabled", budget_tokens: 2_048 } },
  },
  {
    name: "a budget under the cap",
    request: { ...effort("high"), maxOutputTokens: 3_000 },
    target: BUDGETED,
    sent: { max_tokens: 3_000, thinking: { type: "enabled", budget_tokens: 2_999 } },
  },
  {
    name: "a cap too small to think",
    request: { ...effort("high"), maxOutputTokens: 1_024 },
    target: BUDGETED,
    sent: { max_tokens: 1_024, ...OFF },
  },
  {
    name: "a forced tool",
    request: { ...effort("high"), tools: [FUNCTION], toolChoice: { mode: "required" } },
    sent: { max_tokens: 4_096, tool_choice: { type: "any" }, ...OFF },
  },
  {
    name: "an open tool turn without proof",
    request: { ...effort("high"), messages: OPEN },
    sent: { max_tokens: 4_096, ...OFF },
  },
  {
    name: "an open tool turn with proof",
    request: {
      ...effort("high"),
      messages: [HELLO, { role: "assistant", parts: [PROOF, CALLED], extra: {} }, ...OPEN.slice(2)],
    },
    sent: { max_tokens: 4_096, thinking: { type: "adaptive" }, output_config: { effort: "high" } },
  },
  {
    name: "a tool turn that is over",
    request: { ...effort("high"), messages: [...OPEN, TURN, HELLO] },
    sent: { max_tokens: 4_096, thinking: { type: "adaptive" }, output_config: { effort: "high" } },
  },
  {
    name: "the target's default",
    request: {},
    target: { defaultThinking: { type: "enabled", budget_tokens: 2_000 } },
    sent: { max_tokens: 6_096, thinking: { type: "enabled", budget_tokens: 2_000 } },
  },
  {
    name: "a default that would displace the temperature",
    request: { sampling: { temperature: 0.5 } },
    target: { defaultThinking: { type: "enabled", budget_tokens: 2_000 } },
    sent: { max_tokens: 4_096, temperature: 0.5 },
  },
  {
    name: "thinking and sampling",
    request: { ...effort("high"), sampling: { temperature: 0.5, topP: 0.9, topK: 4 } },
    sent: { max_tokens: 4_096, thinking: { type: "adaptive" }, output_config: { effort: "high" } },
  },
  {
    name: "sampling above 1",
    request: { sampling: { temperature: 1.7, topP: 0.9, topK: 40 } },
    sent: { max_tokens: 4_096, temperature: 1, top_p: 0.9, top_k: 40 },
  },
];

for (const { name, request, target, sent } of AMOUNTS) {
  Deno.test(`Messages writes ${name}`, () => {
    const { model: _, messages: __, tools: ___, cache_control: ____, ...body } =
      encode(request, target ?? {}).body;
    assert.deepEqual(body, sent);
  });
}

const CHOICES: readonly (readonly [Partial<ChatRequest>, Json | undefined])[] = [
  [{}, undefined],
  [{ parallelToolCalls: false }, { type: "auto", disable_parallel_tool_use: true }],
  [{ parallelToolCalls: true }, undefined],
  [{ parallelToolCalls: false, tools: [] }, undefined],
  [{ toolChoice: { mode: "auto" }, parallelToolCalls: false }, {
    type: "auto",
    disable_parallel_tool_use: true,
  }],
  [{ toolChoice: { mode: "none" }, parallelToolCalls: false }, { type: "none" }],
  [{ toolChoice: { mode: "required" } }, { type: "any" }],
  [{ toolChoice: { mode: "tool", name: "f", form: "function" } }, { type: "tool", name: "f" }],
  [{ toolChoice: { mode: "allowed", force: true, tools: [{ name: "f" }] } }, { type: "any" }],
  [{ toolChoice: { mode: "allowed", force: false, tools: [{ name: "f" }] } }, { type: "auto" }],
];

for (const [changes, choice] of CHOICES) {
  Deno.test(`Messages writes the tool choice of ${JSON.stringify(changes)}`, () => {
    const { body } = encode({ tools: [FUNCTION, { ...FUNCTION, name: "g" }], ...changes });
    assert.deepEqual(body.tool_choice, choice);
    const offered = changes.toolChoice?.mode === "allowed" ? ["f"] : ["f", "g"];
    if (!changes.tools) {
      assert.deepEqual(body.tools.map((tool: JsonObject) => tool["name"]), offered);
    }
  });
}

Deno.test("Messages says what became of fields it has no word for", () => {
  const { body, events } = encode({
    sampling: { seed: 1, temperature: 2 },
    user: "u",
    verbosity: "low",
    reasoning: { mode: "adaptive", effort: "low", summary: "auto", extra: {} },
    cacheKey: "k",
    output: { type: "schema", name: "n", schema: { type: "object", minimum: 1 }, strict: true },
    extra: { "openai-chat": { service_tier: "auto", secret_field: 1, other_field: 2 } },
  });
  assert.deepEqual(body.output_config, {
    effort: "low",
    format: { type: "json_schema", schema: { type: "object", minimum: 1 } },
  });
  assert.deepEqual(events.sort(), [
    "cache_control added",
    "format.name stripped",
    "format.strict stripped",
    "max_tokens added",
    "other stripped",
    "prompt_cache_key stripped",
    "reasoning.summary stripped",
    "seed stripped",
    "service_tier stripped",
    "temperature stripped",
    "user stripped",
    "verbosity stripped",
  ]);
});

Deno.test("Messages writes the turns of a longer conversation with the same beginning", () => {
  const first = [HELLO, TURN];
  const start = JSON.stringify(turns(first));
  const longer = JSON.stringify(turns([...first, HELLO]));
  assert(longer.startsWith(start.slice(0, -1)));
});
