import assert from "node:assert/strict";
import { caller, startTestGateway, TOKEN } from "./gateway.ts";

const PATH = "/v1/codex/models.json";
const KEY = { authorization: `Bearer ${TOKEN}` };
const provider = (dialect: string) => ({ base_url: "http://127.0.0.1:9/v1", dialect });

/** Groups that a responses caller can use in different degrees, and some it cannot use at all. */
const OPTIONS = {
  upstreams: ["http://127.0.0.1:9"],
  providers: { chat: provider("openai-chat"), responses: provider("openai-responses") },
  models: {
    plain: {
      targets: [{ provider: "responses", model: "a" }],
      contract: { display_name: "Plain words", caller_visible_notes: 'For "letters" only' },
    },
    chatty: { targets: [{ provider: "chat", model: "a" }] },
    tools_only: { targets: [{ provider: "responses", model: "a", tool_only: true }] },
    images_only: {
      targets: [{ provider: "responses", model: "a", input_modalities: ["image"] }],
    },
    switched_off: {
      targets: [
        { provider: "chat", model: "a" },
        { provider: "responses", model: "a", enabled: false },
      ],
    },
    bridged: {
      targets: [{
        provider: "chat",
        model: "a",
        inbound_dialects: ["openai-chat", "openai-responses"],
        tool_support: { "openai-responses": ["tools"] },
        context_tokens: 9_000,
      }, {
        // Serves no responses caller, so nothing of it may show.
        provider: "chat",
        model: "b",
        tool_support: { "openai-responses": ["parallel_tool_calls"] },
        input_modalities: ["text", "image"],
        context_tokens: 5_000,
        reasoning: { supported: true },
      }],
    },
  },
  callers: [caller("ci", TOKEN, {
    allow: ["fast", "chatty", "tools_only", "images_only", "switched_off", "bridged", "plain"],
  })],
};

const required = {
  supported_reasoning_levels: [],
  shell_type: "shell_command",
  visibility: "list",
  supported_in_api: true,
  support_verbosity: false,
  experimental_supported_tools: [],
  truncation_policy: { mode: "tokens", limit: 10_000 },
};
const limited = {
  input_modalities: ["text"],
  supports_parallel_tool_calls: false,
  supports_reasoning_summary_parameter: false,
};
const level = (effort: string) => ({ effort, description: `Reasoning effort: ${effort}` });

Deno.test("codex catalog lists what responses callers can use, in config order", async () => {
  await using gateway = await startTestGateway(OPTIONS);
  const response = await fetch(`${gateway.url}${PATH}`, { headers: KEY });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.match(response.headers.get("x-request-id") ?? "", /^req_/);
  const { models } = await response.json();
  const [{ base_instructions: words }] = models;
  assert(words.length > 50);
  const named = { base_instructions: words };
  assert.deepEqual(models, [{
    slug: "fast",
    display_name: "fast",
    ...required,
    ...named,
    priority: 1,
    supported_reasoning_levels: ["low", "medium", "high"].map(level),
    input_modalities: ["text", "image"],
    supports_parallel_tool_calls: true,
    apply_patch_tool_type: "freeform",
    supports_reasoning_summary_parameter: false,
    default_reasoning_level: "medium",
    default_reasoning_summary: "none",
  }, {
    slug: "plain",
    display_name: "Plain words",
    description: 'For "letters" only',
    ...required,
    ...named,
    ...limited,
    priority: 2,
  }, {
    slug: "bridged",
    display_name: "bridged",
    ...required,
    ...named,
    ...limited,
    priority: 3,
    context_window: 9_000,
    apply_patch_tool_type: "freeform",
  }]);
  const headers = { ...KEY, "anthropic-version": "2023-06-01" };
  const nameOf = async (group: string) =>
    (await (await fetch(`${gateway.url}/v1/models/${group}`, { headers })).json()).display_name;
  assert.deepEqual([await nameOf("plain"), await nameOf("bridged")], ["Plain words", "bridged"]);
});

Deno.test("codex catalog is for callers, and for them alone", async () => {
  await using gateway = await startTestGateway({ upstreams: ["http://127.0.0.1:9"] });
  const stranger = await fetch(`${gateway.url}${PATH}`);
  assert.equal(stranger.status, 401);
  assert.equal((await stranger.json()).error.type, "unauthorized");
  const post = await fetch(`${gateway.url}${PATH}`, { method: "POST", headers: KEY, body: "{}" });
  assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET"]);
  await post.body?.cancel();
});
