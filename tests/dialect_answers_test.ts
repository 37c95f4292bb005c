import assert from "node:assert/strict";
import type { Dialect } from "@/core/dialect.ts";
import type { ListedModel } from "@/core/listed_model.ts";
import { GatewayError } from "@/core/errors.ts";
import type { Json } from "@/core/json.ts";
import { createFrameReader } from "@/core/sse.ts";
import { dialects } from "@/dialects/mod.ts";

const [anthropic, chat, responses] = ["anthropic", "openai-chat", "openai-responses"]
  .map((name) => dialects.get(name)) as [Dialect, Dialect, Dialect];
const ERROR = new GatewayError("upstream-failed", "Cannot go on", {
  error_class: "upstream_network",
});
const DETAILS = { error_class: "upstream_network", request_id: "req_1", retryable: true };

const listed = (id: string): ListedModel => ({
  id,
  created: 1_700_000_000,
  displayName: id.toUpperCase(),
  notes: null,
  contextTokens: 128_000,
  maxOutputTokens: null,
  reasoning: null,
});

Deno.test("OpenAI paths wrap an error with its code", () => {
  for (const dialect of [chat, responses]) {
    assert.deepEqual(dialect.encodeError(ERROR, "req_1"), {
      error: {
        type: "upstream-failed",
        message: "Cannot go on",
        code: "upstream-failed",
        param: null,
        details: DETAILS,
      },
    });
  }
});

Deno.test("a context overflow has the code on which agents compact", () => {
  const overflow = new GatewayError("context-length-exceeded", "Cannot fit");
  const { error } = chat.encodeError(overflow, "req_1");
  assert.deepEqual(error, {
    type: "context-length-exceeded",
    message: "Cannot fit",
    code: "context_length_exceeded",
    param: null,
    details: { request_id: "req_1", retryable: false },
  });
});

Deno.test("Messages paths wrap an error with the request id", () => {
  assert.deepEqual(anthropic.encodeError(ERROR, "req_1"), {
    type: "error",
    error: { type: "upstream-failed", message: "Cannot go on", details: DETAILS },
    request_id: "req_1",
  });
});

Deno.test("a counting path answers in its dialect", () => {
  assert.deepEqual(anthropic.encodeTokenCount(7), { input_tokens: 7 });
  assert.deepEqual(responses.encodeTokenCount(7), {
    object: "response.input_tokens",
    input_tokens: 7,
  });
});

Deno.test("the plain model list names reasoning where there is some", () => {
  const reasoning = { efforts: ["low"], defaultEffort: "low", summaries: true };
  const list = chat.encodeModelList(
    [listed("a"), { ...listed("b"), reasoning }],
    new URLSearchParams(),
  );
  const plain = { object: "model", created: 1_700_000_000, owned_by: "pointsman" };
  assert.deepEqual(list, {
    object: "list",
    data: [{ id: "a", ...plain }, {
      id: "b",
      ...plain,
      supported_reasoning_levels: [{ effort: "low", description: "Reasoning effort: low" }],
      default_reasoning_level: "low",
      default_reasoning_summary: "none",
      supports_reasoning_summaries: true,
    }],
  });
});

Deno.test("the Messages model list is paged", () => {
  const models = ["a", "b", "c", "d"].map(listed);
  const page = (query: string) => {
    const { data, ...rest } = anthropic.encodeModelList(models, new URLSearchParams(query));
    return { ids: (data as { id: string }[]).map(({ id }) => id), ...rest };
  };
  assert.deepEqual(page(""), {
    ids: ["a", "b", "c", "d"],
    has_more: false,
    first_id: "a",
    last_id: "d",
  });
  assert.deepEqual(page("limit=2"), {
    ids: ["a", "b"],
    has_more: true,
    first_id: "a",
    last_id: "b",
  });
  assert.deepEqual(page("limit=2&after_id=b").ids, ["c", "d"]);
  assert.deepEqual(page("limit=1&before_id=c"), {
    ids: ["b"],
    has_more: true,
    first_id: "b",
    last_id: "b",
  });
  assert.deepEqual(page("limit=9&after_id=d"), {
    ids: [],
    has_more: false,
    first_id: null,
    last_id: null,
  });
});

Deno.test("one Messages model states null for what is not known", () => {
  assert.deepEqual(anthropic.encodeModel(listed("a")), {
    type: "model",
    id: "a",
    display_name: "A",
    created_at: "2023-11-14T22:13:20Z",
    lifecycle: "active",
    max_input_tokens: 128_000,
    max_tokens: null,
    capabilities: null,
    deprecated_at: null,
    line: null,
    retires_at: null,
  });
});

Deno.test("each dialect sends its own headers and no other", () => {
  const headers = new Headers({ "x-api-key": "k", cookie: "c", "openai-beta": "o" });
  assert.deepEqual(chat.upstreamHeaders(headers), { "openai-beta": "o" });
  assert.deepEqual(anthropic.upstreamHeaders(headers), { "anthropic-version": "2023-06-01" });
  headers.append("anthropic-beta", "a");
  headers.append("anthropic-beta", "b");
  headers.set("anthropic-version", "2024-01-01");
  assert.deepEqual(anthropic.upstreamHeaders(headers), {
    "anthropic-version": "2024-01-01",
    "anthropic-beta": "a,b",
  });
});

Deno.test("each dialect calls its own path, and only beta goes on", () => {
  assert.equal(
    chat.upstreamUrl("https://a.example/v1", "?x=1"),
    "https://a.example/v1/chat/completions",
  );
  assert.equal(responses.upstreamUrl("https://a.example/v1", ""), "https://a.example/v1/responses");
  assert.equal(
    anthropic.upstreamUrl("https://a.example", "?x=1&beta=true"),
    "https://a.example/v1/messages?beta=true",
  );
  assert.equal(anthropic.upstreamUrl("https://a.example", ""), "https://a.example/v1/messages");
});

Deno.test("a request without a call speaks Messages where it says so, else Chat", () => {
  const speaker = (path: string, headers = new Headers()) =>
    dialects.items.find((dialect) => dialect.speaks(path, headers))?.name;
  assert.equal(speaker("/v1/messages/x"), "anthropic");
  assert.equal(speaker("/anthropic"), "anthropic");
  assert.equal(speaker("/v1/models", new Headers({ "anthropic-version": "1" })), "anthropic");
  assert.equal(speaker("/v1/models"), "openai-chat");
  assert.equal(speaker("/v1/chat/x"), "openai-chat");
});

Deno.test("a usage frame that only the gateway asked for is read and withheld", () => {
  const usage = '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}';
  const tap = chat.tap({ withholdUsage: true });
  assert.equal(tap.read({ event: "", data: usage }), "withheld");
  assert.equal(tap.facts().usage?.input, 3);
  const choice = '{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":null}';
  assert.equal(tap.read({ event: "", data: choice }), "content");
});

Deno.test("what a Chat stream says in audio is content", () => {
  const tap = chat.tap({ withholdUsage: false });
  const said = (audio: Json) => {
    const data = JSON.stringify({ choices: [{ index: 0, delta: { audio } }] });
    return tap.read({ event: "", data });
  };
  assert.equal(said({ id: "audio_1" }), "preamble");
  assert.equal(said({ transcript: "Hello" }), "content");
  assert.equal(tap.facts().contentBytes, 5);
});

Deno.test("the model of a Chat stream is the first that is named", () => {
  const tap = chat.tap({ withholdUsage: false });
  for (const model of ["", "gpt-1", "gpt-2"]) {
    tap.read({ event: "", data: JSON.stringify({ choices: [], model }) });
  }
  assert.equal(tap.facts().servedModel, "gpt-1");
});

Deno.test("a Responses stream that is cut ends with the response it began", () => {
  const tap = responses.tap({ withholdUsage: false });
  const item = { id: "msg_1", type: "message", content: [{ type: "output_text", text: "a" }] };
  const begun = { id: "resp_1", object: "response", status: "in_progress", model: "m", output: [] };
  for (
    const event of [
      { type: "response.created", sequence_number: 0, response: begun },
      { type: "response.output_item.done", sequence_number: 4, output_index: 0, item },
    ]
  ) tap.read({ event: event.type, data: JSON.stringify(event) });
  const limited = new GatewayError("upstream-rate-limited", "Cannot go on");
  const text = new TextEncoder().encode(tap.errorFrame(limited, "req_1"));
  const [span] = createFrameReader({ maxFrameBytes: 1_000 }).push(text).frames;
  assert.equal(span?.frame.event, "response.failed");
  assert.deepEqual(JSON.parse(span?.frame.data ?? ""), {
    type: "response.failed",
    sequence_number: 5,
    response: {
      ...begun,
      status: "failed",
      error: { code: "rate_limit_exceeded", message: "Cannot go on" },
      incomplete_details: null,
      output: [item],
      usage: null,
    },
  });
});

Deno.test("a Responses tap counts each piece of content once", () => {
  const tap = responses.tap({ withholdUsage: false });
  const part = { output_index: 0, item_id: "msg_1" };
  for (
    const event of [
      { type: "response.output_text.delta", ...part, content_index: 0, delta: "abc" },
      { type: "response.output_text.done", ...part, content_index: 0, text: "abc" },
      { type: "response.output_text.delta", ...part, content_index: 1, delta: "de" },
      { type: "response.output_text.done", ...part, content_index: 1, text: "de" },
      { type: "response.function_call_arguments.done", output_index: 1, arguments: "{}" },
    ]
  ) assert.equal(tap.read({ event: "", data: JSON.stringify(event) }), "content");
  assert.equal(tap.facts().contentBytes, 7);
});

Deno.test("a reply that is none of its dialect gives no facts", () => {
  for (const dialect of dialects.items) {
    for (const body of [null, [], "x", {}, { error: { message: "m" } }, { type: "error" }]) {
      assert.equal(dialect.readReply(body), null);
    }
  }
});
