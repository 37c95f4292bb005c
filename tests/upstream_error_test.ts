import assert from "node:assert/strict";
import { ERRORS } from "@/core/errors.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import {
  classifyAnswer,
  classifyEvent,
  failure,
  retryAfterMs,
  UPSTREAM_CLASSES,
  type UpstreamClass,
} from "@/core/upstream_error.ts";
import { NOW } from "./builders.ts";

/** A body that was no JSON: text, HTML or nothing. */
const NO_JSON = undefined;

const openai = (code: string | null, message = "", type = "invalid_request_error") => ({
  error: { message, type, code, param: null },
});
const anthropic = (type: string, message = "") => ({ type: "error", error: { type, message } });

type Row = readonly [status: number, body: Json | undefined, name: UpstreamClass];

/** What only the status says. */
const STATUSES: readonly Row[] = [
  [302, NO_JSON, "upstream_bad_response"],
  [400, NO_JSON, "upstream_bad_request"],
  [401, NO_JSON, "upstream_auth_failed"],
  [402, NO_JSON, "upstream_quota_exhausted"],
  [403, NO_JSON, "upstream_access_denied"],
  [404, NO_JSON, "upstream_access_denied"],
  [405, NO_JSON, "upstream_status"],
  [408, NO_JSON, "upstream_timeout"],
  [409, NO_JSON, "upstream_status"],
  [413, NO_JSON, "upstream_request_too_large"],
  [418, NO_JSON, "upstream_status"],
  [422, NO_JSON, "upstream_bad_request"],
  [429, NO_JSON, "upstream_rate_limited"],
  [451, NO_JSON, "upstream_status"],
  [500, NO_JSON, "upstream_overloaded"],
  [502, NO_JSON, "upstream_overloaded"],
  [503, NO_JSON, "upstream_overloaded"],
  [504, NO_JSON, "upstream_timeout"],
  [529, NO_JSON, "upstream_overloaded"],
];

/** What a code says, whatever the status. */
const CODES: readonly Row[] = [
  [400, openai("context_length_exceeded"), "upstream_context_length"],
  [500, openai("context_length_exceeded"), "upstream_context_length"],
  [429, openai("insufficient_quota", "", "insufficient_quota"), "upstream_quota_exhausted"],
  [403, openai("billing_not_active"), "upstream_quota_exhausted"],
  [400, anthropic("billing_error"), "upstream_quota_exhausted"],
  [403, openai("rate_limit_exceeded", "", "requests"), "upstream_rate_limited"],
  [400, anthropic("rate_limit_error"), "upstream_rate_limited"],
  [400, anthropic("overloaded_error"), "upstream_overloaded"],
  [401, anthropic("authentication_error"), "upstream_auth_failed"],
  [404, openai("model_not_found"), "upstream_access_denied"],
  [400, openai("unknown_code_of_tomorrow"), "upstream_bad_request"],
];

const QUOTA: UpstreamClass = "upstream_quota_exhausted";
const CONTEXT: UpstreamClass = "upstream_context_length";
const REPLAYED: UpstreamClass = "upstream_reasoning_rejected";

/** What a message says. */
const MESSAGES: readonly Row[] = [
  [409, openai(null, "The server is overloaded"), "upstream_overloaded"],
  [409, openai(null, "Please retry your request"), "upstream_overloaded"],
  [409, openai(null, "Conflict"), "upstream_status"],
  [400, anthropic("invalid_request_error", "Your credit balance is too low"), QUOTA],
  [403, { error: "Insufficient credits" }, QUOTA],
  [429, openai(null, "Too many tokens, please slow down"), "upstream_rate_limited"],
  [500, openai(null, "maximum context"), "upstream_overloaded"],
  [400, openai(null, "Item 'fc_1' was provided without its required 'reasoning' item"), REPLAYED],
  [
    400,
    openai(
      null,
      "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
    ),
    REPLAYED,
  ],
  [404, openai(null, "Item with id 'msg_1' not found. Remove this item."), "upstream_bad_request"],
  [404, openai(null, "Item with id 'rs_1' not found. Items are not persisted"), REPLAYED],
  [404, openai(null, "No such File object: file-1"), "upstream_bad_request"],
  [404, anthropic("not_found_error", "model: claudia-1 not found"), "upstream_access_denied"],
  [403, openai(null, "Content violates usage guidelines."), "upstream_bad_request"],
  [403, openai(null, "Your input was flagged"), "upstream_bad_request"],
  [
    403,
    openai(null, "Access was ended for violating our usage policies"),
    "upstream_access_denied",
  ],
  [403, openai(null, "Country, region, or territory not supported"), "upstream_access_denied"],
];

/** Errors inside an answer that calls itself a success. */
const SUCCESSES: readonly Row[] = [
  [200, openai(null, "boom"), "upstream_bad_response"],
  [200, openai("rate_limit_exceeded"), "upstream_rate_limited"],
  [200, openai("context_length_exceeded"), CONTEXT],
  [200, { error: { code: 429, message: "Provider returned error" } }, "upstream_rate_limited"],
  [200, { error: { code: 502, message: "Provider returned error" } }, "upstream_bad_response"],
];

for (const [status, body, name] of [...STATUSES, ...CODES, ...MESSAGES, ...SUCCESSES]) {
  const said = body === NO_JSON ? "nothing" : JSON.stringify(body);
  Deno.test(`answer ${status} that says ${said} is ${name}`, () => {
    const error = classifyAnswer(status, body, null);
    assert.deepEqual([error.class, error.status], [name, status]);
  });
}

const TOO_LONG = [
  "This model's maximum context length is 128000 tokens.",
  "The context window is full",
  "MAXIMUM CONTEXT reached",
  "prompt is too long: 212000 tokens > 200000 maximum",
  "Input is too long for requested model.",
  "Request has too many tokens",
  "too many input tokens: 9 > 8",
  "Please reduce the length of the messages or completion.",
  "reduce the length of the prompt",
  "reduce the length of the input",
  "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
  "the request exceeds the available context size, try increasing it",
  "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).",
  "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
  "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
  "The engine prompt length 5000 exceeds the max_model_len 4096. Please reduce prompt.",
  "`inputs` must have less than 4096 tokens. Given: 5000",
];

/** Texts about something else that is too long. */
const OTHERWISE_LONG = [
  "Invalid 'prompt_cache_key': string too long. Expected a string with maximum length 64",
  "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
  "Invalid 'tools': array too long. Expected an array with maximum length 128",
];

for (const message of OTHERWISE_LONG) {
  Deno.test(`answer that says "${message}" is no context length`, () => {
    assert.equal(classifyAnswer(400, openai(null, message), null).class, "upstream_bad_request");
  });
}

for (const message of TOO_LONG) {
  Deno.test(`answer that says "${message}" is a context length, in 400, 413 and 422 only`, () => {
    for (const status of [400, 413, 422]) {
      assert.equal(classifyAnswer(status, openai(null, message), null).class, CONTEXT);
    }
    assert.notEqual(classifyAnswer(404, openai(null, message), null).class, CONTEXT);
  });
}

Deno.test("answer whose text says context length is no rate limit by its code", () => {
  const body = openai("rate_limit_exceeded", "Please reduce the length of the messages");
  assert.equal(classifyAnswer(413, body, null).class, CONTEXT);
});

/** Refusals of long prompts, and the tokens they say the prompt has. */
const COUNTS: readonly (readonly [string, number | undefined])[] = [
  ["prompt is too long: 212000 tokens > 200000 maximum", 212_000],
  [
    "maximum context length is 8,192 tokens. However, you requested 9,000 tokens (8,000 in the messages, 1,000 in the completion)",
    9_000,
  ],
  ["maximum prompt length is 131072 but the request contains 140000 tokens", 140_000],
  [
    "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)",
    1_100_000,
  ],
  ["This model's maximum context length is 128000 tokens.", undefined],
  ["claude-4-20250514: input is too long", undefined],
];

for (const [message, tokens] of COUNTS) {
  Deno.test(`answer that says "${message}" counts ${tokens ?? "no"} tokens`, () => {
    assert.equal(classifyAnswer(400, openai(null, message), null).tokens, tokens);
    assert.equal(classifyEvent({ message }, 200).tokens, tokens);
  });
}

/** One error in every form that providers use. */
const FORMS: readonly (readonly [string, Json])[] = [
  ["an error object", openai(null, "prompt is too long")],
  ["a typed error", anthropic("invalid_request_error", "prompt is too long")],
  ["a text", { error: "prompt is too long" }],
  ["a message", { message: "prompt is too long" }],
  ["a detail", { detail: "prompt is too long" }],
  ["a list", [{ error: { message: "prompt is too long" } }]],
  ["a list of messages", [{ message: "prompt is too long" }]],
];

for (const [form, body] of FORMS) {
  Deno.test(`answer with its error as ${form} is read`, () => {
    assert.equal(classifyAnswer(400, body, null).class, CONTEXT);
  });
}

const ODD: readonly Json[] = [
  null,
  0,
  "",
  "prompt is too long",
  [],
  [null],
  {},
  { error: null },
  { error: [] },
  { error: { message: 5, code: 429, type: null } },
  { detail: [{ msg: "prompt is too long" }] },
];

for (const body of ODD) {
  Deno.test(`answer of the odd body ${JSON.stringify(body)} says what its status says`, () => {
    assert.equal(classifyAnswer(400, body, null).class, "upstream_bad_request");
  });
}

Deno.test("answer keeps a code only when it is a known one", () => {
  const codeOf = (body: Json) => classifyAnswer(400, body, null).code;
  assert.equal(codeOf(openai("invalid_api_key")), "invalid_api_key");
  assert.equal(codeOf(anthropic("not_found_error")), "not_found_error");
  assert.equal(codeOf(openai("your prompt was <b>rude</b>")), "invalid_request_error");
  assert.equal(codeOf({ error: { code: "sk-secret" } }), null);
});

const EVENTS: readonly (readonly [JsonObject | null, UpstreamClass])[] = [
  [null, "upstream_overloaded"],
  [anthropic("overloaded_error"), "upstream_overloaded"],
  [anthropic("api_error", "Internal server error"), "upstream_overloaded"],
  [anthropic("rate_limit_error"), "upstream_rate_limited"],
  [{ code: "rate_limit_exceeded", message: "Slow down" }, "upstream_rate_limited"],
  [{ error: { code: "insufficient_quota" } }, "upstream_quota_exhausted"],
  [anthropic("invalid_request_error", "prompt is too long"), CONTEXT],
  [{ code: "context_length_exceeded", message: "" }, CONTEXT],
  [{ code: 429, message: "Provider returned error" }, "upstream_rate_limited"],
  [{ code: 402, message: "Provider returned error" }, QUOTA],
  [{ code: 502, message: "Provider returned error" }, "upstream_overloaded"],
];

for (const [event, name] of EVENTS) {
  Deno.test(`error event ${JSON.stringify(event)} is ${name}`, () => {
    const error = classifyEvent(event, 200);
    assert.deepEqual([error.class, error.status, error.retryAfterMs], [name, 200, null]);
  });
}

const WAITS: readonly (readonly [Record<string, string>, number | null])[] = [
  [{}, null],
  [{ "retry-after": "7" }, 7_000],
  [{ "retry-after": "0" }, 0],
  [{ "retry-after": "1.5" }, 1_500],
  [{ "retry-after": "0.0001" }, 1],
  [{ "retry-after-ms": "1500" }, 1_500],
  [{ "retry-after-ms": "12.3" }, 13],
  [{ "retry-after-ms": "250", "retry-after": "7" }, 250],
  [{ "retry-after-ms": "soon", "retry-after": "7" }, 7_000],
  [{ "retry-after-ms": "", "retry-after": "7" }, 7_000],
  [{ "retry-after": new Date(NOW + 30_000).toUTCString() }, 30_000],
  [{ "retry-after": new Date(NOW - 30_000).toUTCString() }, 0],
  [{ "retry-after": "" }, null],
  [{ "retry-after": "soon" }, null],
  [{ "retry-after": "-5" }, null],
  [{ "retry-after": "Infinity" }, null],
];

for (const [headers, ms] of WAITS) {
  Deno.test(`wait of ${JSON.stringify(headers)} is ${ms} ms`, () => {
    assert.equal(retryAfterMs(new Headers(headers), NOW), ms);
  });
}

Deno.test("wait that a provider asks for stays with its error", () => {
  assert.equal(classifyAnswer(429, NO_JSON, 7_000).retryAfterMs, 7_000);
});

/** What follows each class: which target may be tried, the breaker, and what the caller is told. */
const FOLLOWS: Readonly<Record<UpstreamClass, readonly [string, string, string]>> = {
  upstream_timeout: ["any", "failure", "upstream-timeout"],
  upstream_network: ["any", "failure", "upstream-failed"],
  upstream_overloaded: ["any", "failure", "upstream-failed"],
  upstream_bad_response: ["any", "failure", "upstream-failed"],
  empty_stream: ["any", "failure", "upstream-failed"],
  upstream_rate_limited: ["any", "backoff", "upstream-rate-limited"],
  upstream_quota_exhausted: ["any", "backoff", "upstream-quota-exhausted"],
  upstream_auth_failed: ["any", "opens", "upstream-access-denied"],
  upstream_access_denied: ["any", "opens", "upstream-access-denied"],
  upstream_context_length: ["larger", "none", "context-length-exceeded"],
  upstream_reasoning_rejected: ["same", "none", "upstream-failed"],
  upstream_bad_request: ["none", "none", "upstream-failed"],
  upstream_request_too_large: ["none", "none", "upstream-failed"],
  upstream_status: ["none", "none", "upstream-failed"],
};

Deno.test("every class has its next target, its breaker and its error", () => {
  const table = Object.fromEntries(
    Object.entries(UPSTREAM_CLASSES).map(([name, { next, breaker, error }]) =>
      [name, [next, breaker, error]] as const
    ),
  );
  assert.deepEqual(table, FOLLOWS);
  assert(Object.values(UPSTREAM_CLASSES).every(({ error }) => error in ERRORS));
});

Deno.test("failure without an answer has a class and nothing else", () => {
  assert.deepEqual(failure("upstream_network"), {
    class: "upstream_network",
    status: null,
    code: null,
    retryAfterMs: null,
  });
});
