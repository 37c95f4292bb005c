import Anthropic from "@anthropic-ai/sdk";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { SCHEMA, SMALLEST } from "../echo_requests.ts";
import {
  caller,
  type ConfigTree,
  PROVIDER_KEY,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import {
  type Behaviour,
  echo,
  errorReply,
  type SeenRequest,
  startUpstream,
  type TestUpstream,
} from "../upstream.ts";

const TEXT = "hello wide world";
const MESSAGES = [{ role: "user" as const, content: TEXT }];
const FAST = { model: "fast", messages: MESSAGES };
const CLAUDE = { ...FAST, max_tokens: 100 };

interface World {
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
  readonly gateway: TestGateway;
  readonly upstream: TestUpstream;
}

interface Given {
  readonly script?: Behaviour | readonly Behaviour[];
  readonly token?: string;
  readonly maxRetries?: number;
  /** More keys of the caller. */
  readonly caller?: ConfigTree;
}

/** A test with the official clients, as a careless caller sets them up. */
function test(name: string, body: (world: World) => Promise<void>, given: Given = {}): void {
  Deno.test(name, async () => {
    await using upstream = await startUpstream(given.script ?? echo("echo"));
    await using gateway = await startTestGateway({
      upstreams: [upstream.url],
      ...given.caller ? { callers: [caller("ci", TOKEN, given.caller)] } : {},
    });
    const options = {
      apiKey: given.token ?? TOKEN,
      maxRetries: given.maxRetries ?? 0,
      defaultHeaders: { "cookie": "session=caller-cookie", "x-forwarded-for": "203.0.113.9" },
    };
    const accounts = { organization: "org-of-caller", project: "proj-of-caller" };
    await body({
      openai: new OpenAI({ ...options, ...accounts, baseURL: `${gateway.url}/v1` }),
      anthropic: new Anthropic({ ...options, baseURL: gateway.url }),
      gateway,
      upstream,
    });
    for (const request of upstream.requests) assertClean(request);
  });
}

const ALLOWED =
  /^(accept|accept-(encoding|language)|anthropic-(version|beta)|authorization|connection|content-(length|type)|host|idempotency-key|openai-beta|user-agent|x-api-key|traceparent|tracestate)$/;

/** An upstream gets its own key and model, and nothing of the caller's. */
function assertClean({ headers, body, json }: SeenRequest): void {
  assert.equal(json()["model"], "up-1");
  const credential = headers.get("authorization") ?? headers.get("x-api-key");
  assert(credential === `Bearer ${PROVIDER_KEY}` || credential === PROVIDER_KEY);
  assert.deepEqual([...headers.keys()].filter((name) => !ALLOWED.test(name)), []);
  const sent = JSON.stringify([...headers]) + new TextDecoder().decode(body);
  assert.doesNotMatch(sent, /of-caller|caller-cookie|203\.0\.113\.9/);
  assert(!sent.includes(TOKEN), "the caller's token stays here");
  assert.match(headers.get("user-agent") ?? "", /^pointsman\//);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

test("openai client makes chat calls", async ({ openai, gateway }) => {
  const { data, response, request_id } = await openai.chat.completions.create(FAST)
    .withResponse();
  assert.equal(data.choices[0]?.message.content, TEXT);
  assert.equal(data.usage?.total_tokens, 8);
  const [row] = await gateway.settled(1);
  assert.equal(row?.["request_id"], request_id);
  assert.equal(response.headers.get("x-router-group"), "fast");
  assert.equal(row?.["client"], "openai-node");
});

test("openai client streams chat calls", async ({ openai }) => {
  const chunks = await all(await openai.chat.completions.create({ ...FAST, stream: true }));
  const words = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "");
  assert.equal(words.join(""), TEXT);
  assert(chunks.every(({ usage }) => !usage), "usage that was not asked for is withheld");
  const helper = openai.chat.completions.stream({
    ...FAST,
    stream_options: { include_usage: true },
  });
  assert.equal((await helper.finalChatCompletion()).choices[0]?.message.content, TEXT);
  assert.equal((await helper.totalUsage()).total_tokens, 8);
});

test("openai client calls tools by chat", async ({ openai }) => {
  const tools = [{
    type: "function" as const,
    function: { name: "weather", parameters: { ...SCHEMA } },
  }];
  const stream = openai.chat.completions.stream({ ...FAST, tools, tool_choice: "required" });
  const call = (await stream.finalChatCompletion()).choices[0]?.message.tool_calls?.[0];
  assert(call?.type === "function");
  assert.deepEqual(JSON.parse(call.function.arguments), SMALLEST);
}, { script: echo("echo-tool-call") });

test("openai client makes responses", async ({ openai }) => {
  const reply = await openai.responses.create({ model: "fast", input: TEXT });
  assert.equal(reply.output_text, TEXT);
  const stream = openai.responses.stream({ model: "fast", input: TEXT });
  const streamed = await stream.finalResponse();
  assert.deepEqual([streamed.output_text, streamed.status], [TEXT, "completed"]);
});

test("openai client calls tools by responses", async ({ openai }) => {
  const tools = [
    { type: "function" as const, name: "weather", parameters: SCHEMA, strict: false },
  ];
  const request = { model: "fast", input: TEXT, tools };
  const item = (await openai.responses.stream(request).finalResponse()).output[0];
  assert(item?.type === "function_call");
  assert.deepEqual(JSON.parse(item.arguments), SMALLEST);
}, { script: echo("echo-tool-call") });

test("anthropic client makes messages", async ({ anthropic, gateway }) => {
  const reply = await anthropic.messages.create(CLAUDE);
  assert(reply.content[0]?.type === "text");
  assert.equal(reply.content[0].text, TEXT);
  const [row] = await gateway.settled(1);
  assert.equal(row?.["request_id"], reply._request_id);
  const streamed = await anthropic.messages.stream(CLAUDE).finalMessage();
  assert.deepEqual([streamed.stop_reason, streamed.usage.output_tokens], ["end_turn", 4]);
  const viaPrefix = new Anthropic({ apiKey: TOKEN, baseURL: `${gateway.url}/anthropic` });
  assert.equal((await viaPrefix.messages.create(CLAUDE)).role, "assistant");
});

test("anthropic client calls tools", async ({ anthropic }) => {
  const tools = [{ name: "weather", input_schema: { ...SCHEMA, type: "object" as const } }];
  const reply = await anthropic.messages.stream({ ...CLAUDE, tools }).finalMessage();
  assert(reply.content[0]?.type === "tool_use");
  assert.deepEqual(reply.content[0].input, SMALLEST);
}, { script: echo("echo-tool-call") });

test("anthropic client's version and betas go on", async ({ anthropic, upstream }) => {
  const betas = ["context-1m-2025-08-07", "files-api-2025-04-14"];
  await anthropic.beta.messages.create({ ...CLAUDE, betas });
  const { headers } = await upstream.request(1);
  assert.match(headers.get("anthropic-version") ?? "", /^20\d\d-\d\d-\d\d$/);
  assert.equal(headers.get("anthropic-beta"), betas.join(","));
});

test("clients list the groups of their key and find one", async ({ openai, anthropic }) => {
  assert.deepEqual((await all(openai.models.list())).map(({ id }) => id), ["fast"]);
  assert.equal((await openai.models.retrieve("fast")).owned_by, "pointsman");
  await assert.rejects(openai.models.retrieve("up-1"), OpenAI.PermissionDeniedError);
  assert.deepEqual((await all(anthropic.models.list())).map(({ id }) => id), ["fast"]);
  assert.equal((await anthropic.models.retrieve("fast")).type, "model");
  await assert.rejects(anthropic.models.retrieve("up-1"), Anthropic.PermissionDeniedError);
});

test("clients count tokens without an upstream call", async ({ openai, anthropic, upstream }) => {
  const counted = await anthropic.messages.countTokens(FAST);
  assert(counted.input_tokens > 3);
  const input = await openai.responses.inputTokens.count({ model: "fast", input: TEXT });
  assert.equal(input.object, "response.input_tokens");
  assert(input.input_tokens > 3);
  assert.equal(upstream.requests.length, 0);
});

test("clients tell a bad key", async ({ openai, anthropic, upstream }) => {
  await assert.rejects(openai.chat.completions.create(FAST), OpenAI.AuthenticationError);
  await assert.rejects(openai.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(anthropic.messages.create(CLAUDE), Anthropic.AuthenticationError);
  await assert.rejects(anthropic.messages.countTokens(FAST), Anthropic.AuthenticationError);
  assert.equal(upstream.requests.length, 0);
}, { token: TOKEN.replace("0123", "3210") });

test("clients tell a bad request and a forbidden group", async ({ openai, anthropic }) => {
  const gold = { model: "gold" };
  const bad = { temperature: 1, max_tokens: 0 };
  const { chat, responses } = openai;
  await assert.rejects(chat.completions.create({ ...FAST, ...gold }), OpenAI.PermissionDeniedError);
  await assert.rejects(chat.completions.create({ ...FAST, ...bad }), OpenAI.BadRequestError);
  const background = responses.create({ model: "fast", input: TEXT, background: true });
  await assert.rejects(
    background,
    (error) =>
      error instanceof OpenAI.BadRequestError && error.code === "responses-background-unsupported",
  );
  const { messages } = anthropic;
  await assert.rejects(messages.create({ ...CLAUDE, ...gold }), Anthropic.PermissionDeniedError);
  await assert.rejects(messages.create({ ...CLAUDE, ...bad }), Anthropic.BadRequestError);
});

/** What an upstream answers, and the status and type the clients see. */
const TOLD = [
  [500, 502, "upstream-failed"],
  [400, 502, "upstream-failed"],
  [401, 503, "upstream-access-denied"],
  [402, 503, "upstream-quota-exhausted"],
  [429, 503, "upstream-rate-limited"],
  [504, 504, "upstream-timeout"],
] as const;

for (const [status, told, type] of TOLD) {
  test(`clients tell an upstream's ${status} as ${type}`, async ({ openai, anthropic }) => {
    const seen = (
      error: { status?: unknown; requestID?: string | null | undefined },
      body: unknown,
    ) => {
      assert.equal(error.status, told);
      assert.match(error.requestID ?? "", /^req_/);
      assert(JSON.stringify(body).includes(type));
      return true;
    };
    const isOpenAi = (error: unknown) =>
      error instanceof OpenAI.InternalServerError && seen(error, error.error);
    const isAnthropic = (error: unknown) =>
      error instanceof Anthropic.InternalServerError && seen(error, error.error);
    await assert.rejects(openai.chat.completions.create(FAST), isOpenAi);
    await assert.rejects(openai.responses.create({ model: "fast", input: TEXT }), isOpenAi);
    await assert.rejects(openai.chat.completions.create({ ...FAST, stream: true }), isOpenAi);
    await assert.rejects(anthropic.messages.create(CLAUDE), isAnthropic);
    await assert.rejects(anthropic.messages.stream(CLAUDE).finalMessage(), isAnthropic);
  }, { script: errorReply("openai-chat", status, { retryAfter: "3" }) });
}

test("clients wait as long as a provider asks, and try again", async (world) => {
  const { openai, anthropic, gateway, upstream } = world;
  const limited = errorReply("openai-chat", 429, { headers: { "retry-after-ms": "20" } });
  for (
    const create of [
      () => openai.chat.completions.create(FAST),
      () => openai.responses.create({ model: "fast", input: TEXT }),
      () => anthropic.messages.create(CLAUDE),
    ]
  ) {
    const before = gateway.rows().length;
    upstream.script([limited, echo("echo")]);
    await create();
    const rows = gateway.rows().slice(before);
    assert.deepEqual(rows.map(({ status }) => status), [503, 200]);
  }
}, { maxRetries: 1 });

for (
  const [name, caller, type] of [
    ["calls", { rate: { rpm: 1 } }, "rpm-exceeded"],
    ["tokens", { rate: { tpm: 170 } }, "tpm-exceeded"],
    ["the day", { quota: { day: { requests: 1 } } }, "quota-exhausted"],
  ] as const
) {
  test(`clients see the limit of ${name} as theirs, and do not sit it out`, async (world) => {
    const { openai, anthropic, gateway } = world;
    const body = { ...FAST, max_tokens: 150 };
    await openai.chat.completions.create(body);
    const chat = await openai.chat.completions.create(body).catch((error) => error);
    assert(chat instanceof OpenAI.RateLimitError);
    assert.equal(chat.code, type);
    assert(Number(chat.headers.get("retry-after")) > 0);
    const limit = name === "tokens" ? "tokens" : "requests";
    if (name !== "the day") {
      assert.equal(chat.headers.get(`x-ratelimit-limit-${limit}`), name === "tokens" ? "170" : "1");
    }
    const message = await anthropic.messages.create({ ...CLAUDE, max_tokens: 150 })
      .catch((error) => error);
    assert(message instanceof Anthropic.RateLimitError);
    if (name === "the day") assert.equal(message.headers.get("x-should-retry"), "false");
    if (name === "calls") {
      assert.equal(message.headers.get("anthropic-ratelimit-requests-remaining"), "0");
    }
    assert.equal((await gateway.settled(3)).length, 3, "none is repeated");
  }, { caller, maxRetries: name === "the day" ? 3 : 0 });
}

test("clients wait as long as their own pace asks, and try again", async (world) => {
  const { openai, anthropic, gateway } = world;
  await openai.chat.completions.create(FAST);
  const began = performance.now();
  assert.equal((await openai.chat.completions.create(FAST)).choices.length, 1);
  const waited = performance.now() - began;
  assert.equal((await anthropic.messages.create(CLAUDE)).role, "assistant");
  const rows = await gateway.settled(3);
  const refused = rows.filter(({ status }) => status === 429);
  assert(refused.length >= 1, "the pace was felt");
  const [first] = refused;
  assert(waited >= Number(first?.["traffic_shape_retry_after_ms"]), `${waited}`);
}, { caller: { traffic_shape: { request_start_per_sec: 2, request_burst: 1 } }, maxRetries: 5 });

test("clients do not repeat what cannot succeed", async ({ openai, anthropic, gateway }) => {
  await assert.rejects(openai.chat.completions.create(FAST), OpenAI.InternalServerError);
  await assert.rejects(anthropic.messages.create(CLAUDE), Anthropic.InternalServerError);
  assert.deepEqual(gateway.rows().map(({ status }) => status), [502, 502]);
}, { maxRetries: 3, script: errorReply("openai-chat", 400) });

test("clients see the context error by its code and its words", async ({ openai, anthropic }) => {
  await assert.rejects(
    openai.responses.create({ model: "fast", input: TEXT }),
    (error) => error instanceof OpenAI.BadRequestError && error.code === "context_length_exceeded",
  );
  await assert.rejects(
    anthropic.messages.create(CLAUDE),
    (error) =>
      error instanceof Anthropic.BadRequestError && /prompt is too long/.test(error.message),
  );
}, { script: errorReply("openai-chat", 400, { code: "context_length_exceeded" }) });

test("clients see an error inside a stream as an error", async ({ openai, anthropic }) => {
  const told = /Scripted error in the stream/;
  await assert.rejects(
    async () => await all(await openai.chat.completions.create({ ...FAST, stream: true })),
    told,
  );
  await assert.rejects(anthropic.messages.stream(CLAUDE).finalMessage(), told);
}, { script: echo("echo-error-in-stream") });

test("clients see a broken stream as an error of ours", async ({ openai, anthropic }) => {
  const told = /the provider .* broke off/;
  await assert.rejects(
    async () => await all(await openai.chat.completions.create({ ...FAST, stream: true })),
    told,
  );
  await assert.rejects(anthropic.messages.stream(CLAUDE).finalMessage(), told);
  const events = await all(
    await openai.responses.create({ model: "fast", input: TEXT, stream: true }),
  );
  const last = events.at(-1);
  assert(last?.type === "response.failed");
  assert.equal(last.response.error?.code, "server_error");
}, { script: echo("echo-drop-mid-stream") });
