import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { GatewayError } from "@/core/errors.ts";
import type { Json } from "@/core/json.ts";
import { plainTarget, prepared, sent, type TargetChanges, wireOf } from "./dialect_target.ts";

interface Case {
  readonly name: string;
  readonly dialect: DialectName;
  /** Members beside `model` and the conversation, as JSON text. */
  readonly body: string;
  readonly target?: TargetChanges;
  /** What those members become; added ones stand first. */
  readonly sent: string;
  readonly events: readonly string[];
}

const HOSTED = {
  "anthropic": [],
  "openai-chat": ["hosted_tools"],
  "openai-responses": ["hosted_tools"],
};
const THINKING = { type: "enabled", budget_tokens: 2_048 };
const REJECTS = { rejectsTemperature: true, rejectsTopP: true, rejectsMaxTokens: true };
const FUNCTION = '{"type":"function","function":{"name":"web_search"}}';
const FLAT = '{"type":"function","name":"f"}';
const SEARCH = '{"type":"web_search_preview"}';

const CASES: readonly Case[] = [
  {
    name: "metadata and store go",
    dialect: "openai-chat",
    body: '"metadata":{"a":"b"},"store":true,"user":"u"',
    sent: '"user":"u"',
    events: ["metadata stripped", "store stripped"],
  },
  {
    name: "store becomes false where the target demands it",
    dialect: "openai-chat",
    body: '"store":true',
    target: { forceStoreFalse: true },
    sent: '"store":false',
    events: ["store rewritten"],
  },
  {
    name: "store stays and metadata goes",
    dialect: "openai-responses",
    body: '"store":true,"metadata":{}',
    sent: '"store":true',
    events: ["metadata stripped"],
  },
  {
    name: "store false is added where the target demands it",
    dialect: "openai-responses",
    body: '"user":"u"',
    target: { forceStoreFalse: true },
    sent: '"store":false,"user":"u"',
    events: ["store added"],
  },
  {
    name: "metadata of a Messages body stays",
    dialect: "anthropic",
    body: '"metadata":{"user_id":"u"},"max_tokens":9',
    sent: '"metadata":{"user_id":"u"},"max_tokens":9',
    events: [],
  },
  {
    name: "an absent cap is added",
    dialect: "anthropic",
    body: '"system":"s"',
    sent: '"max_tokens":4096,"system":"s"',
    events: ["max_tokens added"],
  },
  {
    name: "usage is not asked for where stream options are not supported",
    dialect: "openai-chat",
    body: '"stream":true',
    target: {
      shape: {
        ...plainTarget("openai-chat").shape,
        unsupportedRequestFeatures: new Set(["stream_options"]),
      },
    },
    sent: '"stream":true',
    events: [],
  },
  {
    name: "usage that is asked for already is left alone",
    dialect: "openai-chat",
    body: '"stream":true,"stream_options":{ "include_usage" : true }',
    sent: '"stream":true,"stream_options":{ "include_usage" : true }',
    events: [],
  },
  {
    name: "default thinking is added",
    dialect: "anthropic",
    body: '"max_tokens":4096',
    target: { defaultThinking: THINKING },
    sent: '"thinking":{"type":"enabled","budget_tokens":2048},"max_tokens":4096',
    events: ["thinking added"],
  },
  {
    name: "default thinking yields to a cap it does not fit",
    dialect: "anthropic",
    body: '"max_tokens":2048',
    target: { defaultThinking: THINKING },
    sent: '"max_tokens":2048',
    events: [],
  },
  {
    name: "default thinking yields to a forced tool",
    dialect: "anthropic",
    body: '"max_tokens":4096,"tools":[{"name":"f"}],"tool_choice":{"type":"any"}',
    target: { defaultThinking: THINKING },
    sent: '"max_tokens":4096,"tools":[{"name":"f"}],"tool_choice":{"type":"any"}',
    events: [],
  },
  {
    name: "default thinking yields to the caller's",
    dialect: "openai-chat",
    body: '"thinking":{"type":"disabled"}',
    target: { defaultThinking: { type: "enabled" } },
    sent: '"thinking":{"type":"disabled"}',
    events: [],
  },
  {
    name: "default thinking without a budget is added",
    dialect: "openai-chat",
    body: '"max_tokens":1',
    target: { defaultThinking: { type: "enabled" } },
    sent: '"thinking":{"type":"enabled"},"max_tokens":1',
    events: ["thinking added"],
  },
  {
    name: "a budget under the least is raised",
    dialect: "anthropic",
    body: '"max_tokens":4096,"thinking":{"type":"enabled", "budget_tokens":7}',
    sent: '"max_tokens":4096,"thinking":{"type":"enabled", "budget_tokens":1024}',
    events: ["thinking.budget_tokens clamped"],
  },
  {
    name: "a budget not below the cap is lowered",
    dialect: "anthropic",
    body: '"thinking":{"type":"enabled","budget_tokens":9000},"max_tokens":9000',
    sent: '"thinking":{"type":"enabled","budget_tokens":8999},"max_tokens":9000',
    events: ["thinking.budget_tokens clamped"],
  },
  {
    name: "thinking is off where no budget is left",
    dialect: "anthropic",
    body: '"thinking":{"type":"enabled","budget_tokens":2000},"max_tokens":1024',
    sent: '"thinking":{"type":"disabled"},"max_tokens":1024',
    events: ["thinking rewritten"],
  },
  {
    name: "a budget may reach the cap where the target allows it",
    dialect: "anthropic",
    body: '"thinking":{"type":"enabled","budget_tokens":9000},"max_tokens":4096',
    target: { reasoning: { budgetMustBeLessThanMaxTokens: false } },
    sent: '"thinking":{"type":"enabled","budget_tokens":9000},"max_tokens":4096',
    events: [],
  },
  {
    name: "rejected fields go and the cap is renamed while reasoning",
    dialect: "openai-chat",
    body: '"temperature":1,"max_tokens":9,"top_p":0.5,"reasoning_effort":"low"',
    target: { reasoning: REJECTS },
    sent: '"max_completion_tokens":9,"reasoning_effort":"low"',
    events: ["max_tokens rewritten", "temperature stripped", "top_p stripped"],
  },
  {
    name: "rejected fields stay without reasoning",
    dialect: "openai-chat",
    body: '"temperature":1,"max_tokens":9,"reasoning_effort":"none"',
    target: { reasoning: REJECTS },
    sent: '"temperature":1,"max_tokens":9,"reasoning_effort":"none"',
    events: [],
  },
  {
    name: "hosted search goes, a function of that name stays",
    dialect: "openai-chat",
    body: `"web_search_options":{},"tools":[${SEARCH}, ${FUNCTION},${SEARCH}],"tool_choice":"auto"`,
    sent: `"tools":[ ${FUNCTION}],"tool_choice":"auto"`,
    events: ["tools stripped", "tools stripped", "web_search_options stripped"],
  },
  {
    name: "the last hosted tool takes tools and the free choice along",
    dialect: "openai-responses",
    body: `"tools":[${SEARCH},{"type":"image_generation"}],"top_p":1.0,"tool_choice":"auto"`,
    sent: '"top_p":1.0',
    events: ["tool_choice stripped", "tools stripped"],
  },
  {
    name: "the last hosted tool takes along how tools are called at once",
    dialect: "openai-chat",
    body: `"parallel_tool_calls":false,"tools":[${SEARCH}],"top_p":1.0`,
    sent: '"top_p":1.0',
    events: ["parallel_tool_calls stripped", "tools stripped"],
  },
  {
    name: "the last hosted tool takes a choice among some along that demands none",
    dialect: "openai-responses",
    body:
      `"tools":[${SEARCH}],"top_p":1.0,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[]}`,
    sent: '"top_p":1.0',
    events: ["tool_choice stripped", "tools stripped"],
  },
  {
    name: "a removed tool leaves a choice among some",
    dialect: "openai-responses",
    body: `"tools":[${SEARCH},${FLAT}],"tool_choice":{"type":"allowed_tools","mode":"required",` +
      `"tools":[${SEARCH}, {"type":"function","name":"f"}]}`,
    sent: `"tools":[${FLAT}],"tool_choice":{"type":"allowed_tools","mode":"required",` +
      `"tools":[ {"type":"function","name":"f"}]}`,
    events: ["tool_choice stripped", "tools stripped"],
  },
  {
    name: "a choice among removed tools alone leaves none to call",
    dialect: "openai-responses",
    body:
      `"tools":[${SEARCH},${FLAT}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[${SEARCH}]}`,
    sent: `"tools":[${FLAT}],"tool_choice":"none"`,
    events: ["tool_choice rewritten", "tools stripped"],
  },
  {
    name: "hosted tools stay where the target runs them",
    dialect: "openai-responses",
    body: `"tools":[${SEARCH}],"tool_choice":{"type":"web_search_preview"}`,
    target: { toolSupport: HOSTED },
    sent: `"tools":[${SEARCH}],"tool_choice":{"type":"web_search_preview"}`,
    events: [],
  },
  {
    name: "hosted tools of a Messages body are never removed",
    dialect: "anthropic",
    body: '"max_tokens":9,"tools":[{"type":"web_search_20250305","name":"web_search"}]',
    sent: '"max_tokens":9,"tools":[{"type":"web_search_20250305","name":"web_search"}]',
    events: [],
  },
];

for (const { name, dialect, body, target, sent: expected, events } of CASES) {
  Deno.test(`${dialect}: ${name}`, () => {
    const turn = dialect === "openai-responses" ? '"input":[]' : '"messages":[]';
    const wire = wireOf(`{"model":"fast",${body},${turn}}`);
    const { edits, bytes } = prepared(wire, plainTarget(dialect, target));
    const text = new TextDecoder().decode(bytes);
    assert.equal(text, `{"model":"up-1",${expected},${turn}}`);
    const noted = edits.map(({ field, action }) => `${field} ${action}`).sort();
    assert.deepEqual(noted.filter((event) => event !== "model rewritten"), events);
  });
}

/** A tool turn whose call came after thinking with a signature. */
const toolTurn = (signature: string) =>
  '"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[' +
  `{"type":"thinking","thinking":"t","signature":"${signature}"},` +
  '{"type":"tool_use","id":"t1","name":"f","input":{}}]},' +
  '{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1"}]}]';

/** `thinking` as it goes to a provider that takes the proof "own" alone. */
function thinkingSent(fields: string, signature: string, changes: TargetChanges = {}): Json {
  const wire = wireOf(`{"model":"fast","max_tokens":4096,${fields}${toolTurn(signature)}}`);
  const target = plainTarget("anthropic", changes);
  const { bytes } = prepared(wire, target, (proof) => proof === "own");
  return JSON.parse(new TextDecoder().decode(bytes)).thinking ?? null;
}

Deno.test("a turn that lost its thinking goes on without it, where every turn must think", () => {
  const enabled = '"thinking":{"type":"enabled","budget_tokens":2048},';
  const on = { type: "enabled", budget_tokens: 2048 };
  assert.deepEqual(thinkingSent(enabled, "own"), on);
  assert.deepEqual(thinkingSent(enabled, "foreign"), { type: "disabled" });
  assert.deepEqual(thinkingSent('"thinking":{"type":"adaptive"},', "foreign"), {
    type: "adaptive",
  });
  assert.deepEqual(thinkingSent("", "own", { defaultThinking: THINKING }), THINKING);
  assert.equal(thinkingSent("", "foreign", { defaultThinking: THINKING }), null);
});

for (
  const rest of [
    `"tools":[${SEARCH}],"tool_choice":{"type":"web_search_preview"}`,
    `"tools":[${SEARCH}],"tool_choice":"required"`,
    `"tools":[${SEARCH},${FUNCTION}],"tool_choice":{"type":"web_search_preview"}`,
    `"tools":[${SEARCH},${FLAT}],"tool_choice":{"type":"allowed_tools","mode":"required","tools":[${SEARCH}]}`,
  ]
) {
  Deno.test(`a choice that forces a removed tool is refused: ${rest}`, () => {
    assert.throws(
      () => sent("openai-responses", `{"model":"fast","input":"x",${rest}}`),
      (error) => {
        assert(error instanceof GatewayError);
        assert.equal(error.type, "provider-hosted-tools-forbidden");
        assert.deepEqual(error.details["tool_types"], ["web_search_preview"]);
        return true;
      },
    );
  });
}
