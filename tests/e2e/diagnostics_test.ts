import assert from "node:assert/strict";
import { DIALECTS, type Loose, startTestGateway } from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { echo, errorReply, startUpstream } from "../upstream.ts";

const SECRET = "planted-7f3a";
const TABLES = [
  "request_token_estimates",
  "request_trace_events",
  "request_upstream_error_details",
];

/** A call whose first target fails and whose second one serves. */
async function fallenBack(diagnostics: Loose): Promise<Loose> {
  const failing = errorReply("openai-chat", 500, {
    code: "server_error",
    message: `Overloaded by ${SECRET}`,
  });
  await using first = await startUpstream(failing);
  await using second = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [first.url, second.url],
    group: { strategy: "failover" },
    server: { diagnostics },
  });
  const answer = await call(gateway.url, "openai-chat");
  assert.equal(answer.status, 200);
  assert(!JSON.stringify(gateway.rows()).includes(SECRET));
  return (await gateway.settled(1))[0]!;
}

Deno.test("a call that fell back leaves its trace, and what the provider said in known words", async () => {
  const row = await fallenBack({});
  const trace = row["request_trace_events"] as Loose[];
  assert.deepEqual(
    trace.map(({ event, attempt = 0, error_class = "" }) => [event, attempt, error_class]),
    [["attempt_failed", 0, "upstream_overloaded"], ["attempt_served", 1, ""]],
  );
  const details = row["request_upstream_error_details"] as Loose[];
  assert.deepEqual(
    details.map(({ field_name, field_value, source }) => [field_name, field_value, source]),
    [
      ["code", "server_error", "body"],
      ["type", "server_error", "body"],
      ["provider_message", "rate_limit", "body"],
      ["status", "500", "status"],
    ],
  );
  const [estimate] = row["request_token_estimates"] as Loose[];
  assert.deepEqual([estimate!["estimate_method"], estimate!["estimate_version"]], ["chars", "1"]);
  const { estimated_input_tokens: input, estimated_total_input_tokens: total } = estimate!;
  assert.equal(input, total, "neither tools nor images");
  assert(total > 0);
});

Deno.test("diagnostics are off as they are told, and columns are cut", async () => {
  const none = await fallenBack({ enabled: false });
  for (const table of TABLES) assert.equal(none[table], undefined, table);
  assert.equal(none["request_shapes"].length, 1, "shapes stay");
  const quiet = await fallenBack({ store_sanitized_upstream_errors: false });
  assert.equal(quiet["request_upstream_error_details"], undefined);
  assert.equal(quiet["request_trace_events"].length, 2);
  const cut = await fallenBack({ max_error_bytes: 6 });
  const [code] = cut["request_upstream_error_details"];
  assert.deepEqual([code.field_value, code.truncated], ["server", 1]);
});

Deno.test("a call that went straight has an estimate and no trace", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({ upstreams: [upstream.url] });
  for (const dialect of DIALECTS) await call(gateway.url, dialect);
  for (const row of await gateway.settled(3)) {
    assert.equal(row["request_token_estimates"].length, 1);
    assert.equal(row["request_trace_events"], undefined);
    assert.match(row["gateway_id"], /^gw_[0-9a-f]{16}$/);
  }
});

/** Roles of the parts of one conversation, said in each dialect. */
const CONVERSATIONS = {
  "openai-chat": {
    messages: [
      { role: "system", content: "Be brief" },
      { role: "developer", content: "Be kind" },
      { role: "user", content: "élan" },
      { role: "assistant", content: null, tool_calls: [toolCall()] },
      { role: "tool", tool_call_id: "c1", content: "fine" },
    ],
    tools: [{ type: "function", function: { name: "look", parameters: { type: "object" } } }],
    store: false,
  },
  "anthropic": {
    max_tokens: 10,
    system: [{ type: "text", text: "Be brief", cache_control: { type: "ephemeral" } }],
    messages: [
      { role: "user", content: "élan" },
      { role: "assistant", content: [{ type: "tool_use", id: "c1", name: "look", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: "fine" }] },
    ],
    tools: [{ name: "look", input_schema: { type: "object" } }],
  },
  "openai-responses": {
    instructions: "Be brief",
    input: [
      { role: "developer", content: "Be kind" },
      { role: "user", content: "élan" },
      { type: "function_call", call_id: "c1", name: "look", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: "fine" },
    ],
    tools: [{ type: "function", name: "look", parameters: { type: "object" } }],
    truncation: "auto",
  },
} as const;

function toolCall() {
  return { id: "c1", type: "function", function: { name: "look", arguments: "{}" } };
}

const COUNTS = {
  "openai-chat": {
    system: 1,
    developer: 1,
    user: 1,
    assistant: 1,
    results: 1,
    items: 0,
    outputs: 0,
  },
  "anthropic": { system: 1, developer: 0, user: 2, assistant: 1, results: 1, items: 0, outputs: 0 },
  "openai-responses": {
    ...{ system: 1, developer: 1, user: 1, assistant: 0 },
    ...{ results: 1, items: 4, outputs: 1 },
  },
};
const SIGNS = {
  "openai-chat": "store_present",
  "anthropic": "cache_control_present",
  "openai-responses": "truncation_present",
};

for (const dialect of DIALECTS) {
  Deno.test(`shape of an ${dialect} body counts its parts and names them without telling`, async () => {
    await using upstream = await startUpstream(echo("echo"));
    await using gateway = await startTestGateway({ upstreams: [upstream.url] });
    const body = CONVERSATIONS[dialect];
    await call(gateway.url, dialect, { body });
    await call(gateway.url, dialect, { body });
    const other = { ...body, tools: [] };
    await call(gateway.url, dialect, { body: other });
    const rows = await gateway.settled(3);
    const [shape, again, without] = rows.map((row) => row["request_shapes"][0] as Loose);
    const count = (name: string) => shape![`${name}_count`] ?? 0;
    assert.deepEqual({
      system: count("system_message"),
      developer: count("developer_message"),
      user: count("user_message"),
      assistant: count("assistant_message"),
      results: count("tool_result"),
      items: count("input_item"),
      outputs: count("function_call_output"),
    }, COUNTS[dialect]);
    assert.equal(shape![SIGNS[dialect]], 1);
    assert.equal(shape!["input_text_bytes_bucket"], "1b-1kb");
    for (const name of ["tool_schema_fingerprint", "request_shape_fingerprint"]) {
      assert.match(shape![name], /^[0-9a-f]{32}$/);
      assert.equal(again![name], shape![name]);
      assert.notEqual(without![name], shape![name]);
    }
  });
}
