import type { DialectName } from "@/core/dialect_name.ts";
import type { Json, JsonObject } from "@/core/json.ts";

/** A less usual thing to say: a body that says it, and the same one that does not. */
type Edge = readonly [name: string, said: JsonObject, unsaid: JsonObject];

const MARKER = { cache_control: { type: "ephemeral" } };
const BREAKPOINT = { prompt_cache_breakpoint: { mode: "explicit" } };
const SCHEMA = { type: "object", properties: {} };

/** What `build` makes of a thing, and of nothing. */
function edge(name: string, more: JsonObject, build: (more: JsonObject) => JsonObject): Edge {
  return [name, build(more), build({})];
}

const user = (content: Json) => ({ role: "user", content });

const chatCall = (more: JsonObject = {}) => ({
  id: "c1",
  type: "function",
  function: { name: "f", arguments: "{}" },
  ...more,
});

/** A turn with a call, whose other members vary, and its result. */
function chatTurns(call: JsonObject, turn: JsonObject = {}, result: JsonObject = {}): JsonObject {
  return {
    messages: [
      user("u"),
      { role: "assistant", content: null, tool_calls: [chatCall(call)], ...turn },
      { role: "tool", tool_call_id: "c1", content: "r", ...result },
    ],
  };
}

const chatTool = (more: JsonObject) => ({ tools: [{ type: "function", ...more }] });
const chatCustom = (format: JsonObject, more: JsonObject = {}) => ({
  tools: [{ type: "custom", custom: { name: "f", format, ...more } }],
});
const chatChoice = (more: JsonObject) => ({
  tools: [{ type: "function", function: { name: "f" } }],
  tool_choice: {
    type: "allowed_tools",
    mode: "required",
    tools: [{ type: "function", name: "f", ...more }],
  },
});
const chatImage = (more: JsonObject) => ({
  messages: [user([{ type: "image_url", image_url: { url: "https://a.example/1.png", ...more } }])],
});
const detail = (more: JsonObject) =>
  chatTurns({}, { reasoning_details: [{ type: "reasoning.encrypted", data: "d" }, more] });

const CHAT: readonly Edge[] = [
  edge("a marker on the request", MARKER, (more) => more),
  edge("a marker on a turn of calls", MARKER, (more) => chatTurns({}, more)),
  edge("a marker on a call", MARKER, (more) => chatTurns(more)),
  edge("a marker on a result", MARKER, (more) => chatTurns({}, {}, more)),
  edge("a marker on an empty turn", MARKER, (more) => ({
    messages: [user("u"), { role: "user", content: [], ...more }],
  })),
  edge("a marker on a turn of reasoning", MARKER, (more) => ({
    messages: [user("u"), { role: "assistant", content: "", reasoning: "r", ...more }, user("u")],
  })),
  edge("a marker that is a word", { cache_control: "ephemeral" }, (more) => ({
    messages: [{ ...user("u"), ...more }],
  })),
  edge("a marker of another type", { type: "lasting" }, (more) => ({
    messages: [{ ...user("u"), cache_control: { type: "ephemeral", ...more } }],
  })),
  edge("a lifetime nobody knows", { ttl: "7h" }, (more) => ({
    messages: [{ ...user("u"), cache_control: { type: "ephemeral", ...more } }],
  })),
  edge("a lifetime that is no text", { ttl: 7 }, (more) => ({
    messages: [{ ...user("u"), cache_control: { type: "ephemeral", ...more } }],
  })),
  edge(
    "a marker inside a function",
    BREAKPOINT,
    (more) => chatTool({ function: { name: "f", ...more } }),
  ),
  edge(
    "the other form beside the form of a tool",
    { custom: { name: "g" } },
    (more) => chatTool({ function: { name: "f" }, ...more }),
  ),
  edge(
    "a format of a function",
    { format: { type: "text" } },
    (more) => chatTool({ function: { name: "f", ...more } }),
  ),
  edge("a strict free text tool", { strict: true }, (more) => chatCustom({ type: "text" }, more)),
  edge(
    "more beside a flat grammar",
    { version: 2 },
    (more) => chatCustom({ type: "grammar", syntax: "regex", definition: "a", ...more }),
  ),
  edge(
    "a flat grammar beside a wrapped one",
    { definition: "b" },
    (more) =>
      chatCustom({ type: "grammar", grammar: { syntax: "regex", definition: "a" }, ...more }),
  ),
  ["a format of another type", chatCustom({ type: "later" }), {
    tools: [{ type: "custom", custom: { name: "f" } }],
  }],
  edge("more in a flat choice", { strength: 2 }, chatChoice),
  edge("a call of another type", { type: "later" }, (more) => chatTurns(more)),
  edge("a thought signature", { extra_content: { google: { thought_signature: "s" } } }, chatTurns),
  edge("a detail nobody knows", { detail: "ultra" }, chatImage),
  edge("a file beside an address", { file_id: "f" }, chatImage),
  edge("a budget beside an effort", { thinking: { type: "enabled", budget_tokens: 9_000 } }, (
    more,
  ) => ({ reasoning_effort: "high", ...more })),
  edge("more beside a budget", { display: "full" }, (more) => ({
    thinking: { type: "enabled", budget_tokens: 9_000, ...more },
  })),
  edge("thinking of another type", { type: "auto" }, (more) => ({ thinking: more })),
  edge("a budget of no thinking", { budget_tokens: 9_000 }, (more) => ({
    thinking: { type: "disabled", ...more },
  })),
  edge("the newer cap beside the older", { max_completion_tokens: 8 }, (more) => ({
    max_tokens: 9,
    ...more,
  })),
  edge(
    "reasoning under both names",
    { reasoning: "s" },
    (more) => chatTurns({}, { reasoning_content: "r", ...more }),
  ),
  [
    "reasoning of another provider",
    detail({ type: "reasoning.text", text: "", signature: "s", format: "x" }),
    detail({ type: "reasoning.text", text: "" }),
  ],
  [
    "a summary of reasoning",
    detail({ type: "reasoning.summary", summary: "s" }),
    detail({
      type: "reasoning.encrypted",
      data: "d",
    }),
  ],
  edge(
    "notes on a reply",
    { annotations: [{ type: "url_citation" }] },
    (more) => chatTurns({}, more),
  ),
  edge("a choice of one", { n: 1 }, (more) => more),
  edge("no probabilities", { logprobs: false, top_logprobs: 0, logit_bias: {} }, (more) => more),
  edge("text alone", { modalities: ["text"] }, (more) => more),
];

/** A reply of before with its result; the members of its items vary. */
function responsesTurns(items: readonly JsonObject[]): JsonObject {
  return { input: [{ role: "user", content: "u" }, ...items, { role: "user", content: "v" }] };
}

const item = (more: JsonObject) => ({ type: "message", role: "assistant", content: "a", ...more });
const callItem = { type: "function_call", call_id: "c1", name: "f", arguments: "{}" };
const resultItem = { type: "function_call_output", call_id: "c1", output: "r" };
const reasoningItem = { type: "reasoning", summary: [], encrypted_content: "e" };
const piece = (more: JsonObject) => responsesTurns([item({ content: [more] })]);
const picture = (more: JsonObject) => ({
  input: [{ role: "user", content: [{ type: "input_image", ...more }] }],
});
const responsesTool = (more: JsonObject) => ({ tools: [{ name: "f", ...more }] });
const namespace = (more: JsonObject) => ({
  tools: [{ type: "namespace", name: "n", tools: [{ type: "function", name: "f" }], ...more }],
});
const namespaceChoice = (more: JsonObject) => ({
  ...namespace({}),
  tool_choice: { type: "function", name: "f", ...more },
});

const RESPONSES: readonly Edge[] = [
  edge("a marker on the request", MARKER, (more) => more),
  edge("a marker on a turn", MARKER, (more) => ({ input: [{ ...user("u"), ...more }] })),
  edge(
    "a marker on an empty reply",
    MARKER,
    (more) => responsesTurns([item({ content: [], ...more })]),
  ),
  edge(
    "a note on an empty reply",
    { note: "n" },
    (more) => responsesTurns([item({ content: [], ...more })]),
  ),
  edge(
    "a note on an empty turn",
    { note: "n" },
    (more) => responsesTurns([{ role: "user", content: [], ...more }]),
  ),
  edge("a marker on reasoning", MARKER, (more) => responsesTurns([{ ...reasoningItem, ...more }])),
  edge(
    "a marker on a call",
    MARKER,
    (more) => responsesTurns([{ ...callItem, ...more }, resultItem]),
  ),
  edge(
    "a marker on a result",
    MARKER,
    (more) => responsesTurns([callItem, { ...resultItem, ...more }]),
  ),
  edge(
    "a namespace that is no text",
    { namespace: 7 },
    (more) => responsesTurns([{ ...callItem, ...more }, resultItem]),
  ),
  edge(
    "citations of a reply",
    { annotations: [{ type: "url_citation" }] },
    (more) => piece({ type: "output_text", text: "a", ...more }),
  ),
  edge(
    "a text beside a refusal",
    { text: "t" },
    (more) => piece({ type: "refusal", refusal: "r", ...more }),
  ),
  edge(
    "more in an address of its own",
    { size: 2 },
    (more) => picture({ image_url: { url: "https://a.example/1.png", ...more } }),
  ),
  edge(
    "a file beside an address",
    { file_id: "f" },
    (more) => picture({ image_url: "https://a.example/1.png", ...more }),
  ),
  edge(
    "a detail nobody knows",
    { detail: "ultra" },
    (more) => picture({ image_url: "https://a.example/1.png", ...more }),
  ),
  edge(
    "more in a format of text",
    { note: "n" },
    (more) => responsesTool({ type: "custom", format: { type: "text", ...more } }),
  ),
  edge(
    "a strictness that is no switch",
    { strict: "very" },
    (more) => responsesTool({ type: "function", ...more }),
  ),
  edge("a description of a namespace", { description: "d" }, namespace),
  edge("an icon of a namespace", { icon: "i" }, namespace),
  edge("a marker on a namespace", MARKER, namespace),
  edge("more in a choice", { strength: 2 }, namespaceChoice),
  edge("a hosted tool in a choice", { strength: 2 }, (more) => ({
    ...namespace({}),
    tool_choice: {
      type: "allowed_tools",
      mode: "auto",
      tools: [{ type: "function", name: "f", namespace: "n", ...more }],
    },
  })),
  edge("a tone of text", { tone: "dry" }, (more) => ({ text: { verbosity: "low", ...more } })),
  edge("more in the format of text", { note: "n" }, (more) => ({
    text: { format: { type: "text", ...more } },
  })),
  edge("a strict schema that is no switch", { strict: "very" }, (more) => ({
    text: { format: { type: "json_schema", name: "n", schema: SCHEMA, ...more } },
  })),
  edge("a summary under both names", { generate_summary: "concise" }, (more) => ({
    reasoning: { effort: "high", summary: "auto", ...more },
  })),
  edge("another way to reason", { mode: "pro" }, (more) => ({
    reasoning: { effort: "high", ...more },
  })),
  edge("no background", { background: false }, (more) => more),
  edge("no probabilities", { top_logprobs: 0 }, (more) => more),
  edge("options of a stream", { stream_options: { include_obfuscation: false } }, (more) => more),
];

const messagesTool = (more: JsonObject) => ({
  tools: [{ name: "f", input_schema: SCHEMA, ...more }],
});
const messagesTurns = (blocks: readonly JsonObject[], turn: JsonObject = {}) => ({
  messages: [user("u"), { role: "assistant", content: blocks, ...turn }, user("v")],
});
const choice = (more: JsonObject) => ({
  ...messagesTool({}),
  tool_choice: { type: "auto", ...more },
});
const source = (more: JsonObject) => ({
  messages: [
    user([{ type: "image", source: { type: "url", url: "https://a.example/1.png", ...more } }]),
  ],
});
const thinks = (more: JsonObject) => ({
  max_tokens: 99_000,
  thinking: { type: "enabled", budget_tokens: 9_000 },
  ...more,
});

const MESSAGES: readonly Edge[] = [
  edge("a marker on the request", MARKER, (more) => more),
  edge("a lifetime on the request", { ttl: "1h" }, (more) => ({
    cache_control: { type: "ephemeral", ...more },
  })),
  edge("a scope of a marker", { scope: "global" }, (more) => ({
    system: [{ type: "text", text: "s", cache_control: { type: "ephemeral", ...more } }],
  })),
  edge("a marker that is a word", { cache_control: "ephemeral" }, messagesTool),
  edge("a marker on a turn", MARKER, (more) => messagesTurns([{ type: "text", text: "a" }], more)),
  edge(
    "a marker on thinking",
    MARKER,
    (more) => messagesTurns([{ type: "thinking", thinking: "t", signature: "s", ...more }]),
  ),
  edge(
    "citations of a reply",
    { citations: [{ cited_text: "c" }] },
    (more) => messagesTurns([{ type: "text", text: "a", ...more }]),
  ),
  edge(
    "who called",
    { caller: { type: "direct" } },
    (more) => messagesTurns([{ type: "tool_use", id: "t", name: "f", input: {}, ...more }]),
  ),
  edge("a name in a free choice", { name: "f" }, choice),
  edge("more in a choice", { strength: 2 }, choice),
  edge("a media type beside an address", { media_type: "image/png" }, source),
  edge("the older format beside the newer", {
    output_format: { type: "json_schema", schema: SCHEMA },
  }, (more) => ({ output_config: { format: { type: "json_schema", schema: SCHEMA } }, ...more })),
  edge("a name of a format", { name: "n" }, (more) => ({
    output_format: { type: "json_schema", schema: SCHEMA, ...more },
  })),
  edge("an effort beside a budget", { output_config: { effort: "low" } }, thinks),
  edge("an effort nobody knows", { effort: "ultra" }, (more) => ({ output_config: more })),
  edge("a budget of adaptive thinking", { budget_tokens: 9_000 }, (more) => ({
    thinking: { type: "adaptive", ...more },
  })),
  edge("thinking of another type", { type: "between_tools" }, (more) => ({ thinking: more })),
];

/** Edges of every dialect. */
export const EDGES: Readonly<Record<DialectName, readonly Edge[]>> = {
  "anthropic": MESSAGES,
  "openai-chat": CHAT,
  "openai-responses": RESPONSES,
};
