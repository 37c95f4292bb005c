import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { wait } from "@/core/wait.ts";
import {
  CALL_PATH,
  type ConfigTree,
  DIALECTS,
  type Loose,
  providerName,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { type Answer, call, send } from "../gateway_client.ts";
import { connectRaw, requestHead } from "../gateway_raw.ts";
import {
  after,
  echo,
  errorReply,
  hang,
  type Script,
  startUpstream,
  type TestUpstream,
} from "../upstream.ts";

const CHAT: DialectName = "openai-chat";
const healthy = echo("echo");

/** One upstream that serves `up-1` and `up-2`, each as scripted. */
async function inGateway(
  script: Script,
  group: ConfigTree,
  body: (gateway: TestGateway, upstream: TestUpstream) => Promise<void>,
  targets: readonly ConfigTree[] = [],
): Promise<void> {
  await using upstream = await startUpstream(script);
  const upstreams = [upstream.url, upstream.url];
  await using gateway = await startTestGateway({ upstreams, group, targets });
  await body(gateway, upstream);
}

/** Models in the order in which the upstream was called since `from`. */
function called({ requests }: TestUpstream, from = 0): unknown[] {
  return requests.slice(from).map((request) => request.json()["model"]);
}

/** Makes calls one after another; gives the models the upstream was asked for by each. */
async function asked(
  gateway: TestGateway,
  upstream: TestUpstream,
  count: number,
): Promise<string[]> {
  const models: string[] = [];
  for (let made = 0; made < count; made++) {
    const from = upstream.requests.length;
    await call(gateway.url, CHAT);
    models.push(called(upstream, from).join("+"));
  }
  return models;
}

const times = (count: number, models: string) => Array<string>(count).fill(models);

Deno.test("breaker opens after five failures, and its target is tried last", async () => {
  const script = { "up-1": errorReply(CHAT, 500), "up-2": healthy };
  await inGateway(script, {}, async (gateway, upstream) => {
    const models = await asked(gateway, upstream, 8);
    assert.deepEqual(models, [...times(5, "up-1+up-2"), ...times(3, "up-2")]);
    assert.equal(gateway.logs.filter((line) => line.includes("breaker_opened")).length, 1);
    upstream.script({ "up-1": healthy, "up-2": errorReply(CHAT, 500) });
    assert.deepEqual(await asked(gateway, upstream, 1), ["up-2+up-1"], "it is a last resort");
  });
});

Deno.test("breaker lets one probe through at a time, and closes when it succeeds", async () => {
  const answer = Promise.withResolvers<void>();
  const breaker = { open_ms: 60, consecutive_failures: 2 };
  const script = { "up-1": errorReply(CHAT, 500), "up-2": healthy };
  await inGateway(script, { breaker }, async (gateway, upstream) => {
    await asked(gateway, upstream, 2);
    await isHalfOpen();
    upstream.script({ "up-1": after(answer.promise, healthy), "up-2": healthy });
    const from = upstream.requests.length;
    const probe = send(gateway.url, CHAT);
    await upstream.request(from + 1);
    assert.deepEqual(await asked(gateway, upstream, 3), times(3, "up-2"));
    answer.resolve();
    await (await probe).body?.cancel();
    assert.equal(called(upstream, from)[0], "up-1");
    upstream.script(healthy);
    assert.deepEqual(await asked(gateway, upstream, 2), times(2, "up-1"));
    assert(gateway.logs.some((line) => line.includes("breaker_closed")));
  });
});

Deno.test("breaker opens longer when its probe fails", async () => {
  const breaker = { open_ms: 60, multiplier: 1_000, consecutive_failures: 2 };
  const script = { "up-1": errorReply(CHAT, 500), "up-2": healthy };
  await inGateway(script, { breaker }, async (gateway, upstream) => {
    await asked(gateway, upstream, 2);
    await isHalfOpen();
    assert.deepEqual(await asked(gateway, upstream, 2), ["up-1+up-2", "up-2"]);
  });
});

Deno.test("a probe whose caller leaves frees its place for the next one", async () => {
  const breaker = { open_ms: 60, consecutive_failures: 2 };
  const script = { "up-1": errorReply(CHAT, 500), "up-2": healthy };
  await inGateway(script, { breaker }, async (gateway, upstream) => {
    await asked(gateway, upstream, 2);
    await isHalfOpen();
    upstream.script({ "up-1": hang(), "up-2": healthy });
    const stop = new AbortController();
    const from = upstream.requests.length;
    const left = send(gateway.url, CHAT, { signal: stop.signal });
    await upstream.request(from + 1);
    stop.abort();
    await assert.rejects(left);
    await gateway.settled(3);
    upstream.script(healthy);
    assert.deepEqual(await asked(gateway, upstream, 2), times(2, "up-1"));
  });
});

/** The open time of these tests is 60 ms, give or take a tenth. */
const isHalfOpen = () => wait(80);

Deno.test("errors of callers leave the breaker closed", async () => {
  const script = { "up-1": errorReply(CHAT, 400), "up-2": healthy };
  await inGateway(script, {}, async (gateway, upstream) => {
    for (let round = 0; round < 30; round++) {
      const calls: Promise<Answer>[] = Array.from({ length: 10 }, () => call(gateway.url, CHAT));
      const statuses = (await Promise.all(calls)).map((answer) => answer.status);
      assert.deepEqual(statuses, Array(10).fill(502));
    }
    assert.deepEqual([...new Set(called(upstream))], ["up-1"]);
    upstream.script(healthy);
    assert.deepEqual(await asked(gateway, upstream, 1), ["up-1"]);
    assert(gateway.logs.every((line) => !line.includes("breaker_opened")));
  });
});

for (const status of [401, 403, 404]) {
  Deno.test(`breaker opens at once when an upstream answers ${status}`, async () => {
    const script = { "up-1": errorReply(CHAT, status), "up-2": healthy };
    await inGateway(script, {}, async (gateway, upstream) => {
      assert.deepEqual(await asked(gateway, upstream, 3), ["up-1+up-2", "up-2", "up-2"]);
    });
  });
}

Deno.test("breaker of a target says nothing about its other dialects", async () => {
  const script = { "up-1": errorReply(CHAT, 401), "up-2": healthy };
  await inGateway(script, {}, async (gateway, upstream) => {
    await asked(gateway, upstream, 1);
    const from = upstream.requests.length;
    await call(gateway.url, "anthropic");
    assert.deepEqual(called(upstream, from), ["up-1", "up-2"]);
  });
});

Deno.test("a target that limits our rate is tried last for as long as it asks", async () => {
  const limited = errorReply(CHAT, 429, { headers: { "retry-after-ms": "1000" } });
  await inGateway({ "up-1": limited, "up-2": healthy }, {}, async (gateway, upstream) => {
    assert.deepEqual(await asked(gateway, upstream, 3), ["up-1+up-2", "up-2", "up-2"]);
    upstream.script(limited);
    const answer = await call(gateway.url, CHAT);
    assertError(CHAT, answer, "upstream-rate-limited");
    assert.equal(answer.headers.get("retry-after"), "1");
  });
});

Deno.test("weighted strategy shares calls by weight and keeps weight 0 for fallback", async () => {
  const targets = [{ weight: 3 }, { weight: 1 }];
  await inGateway(healthy, { strategy: "weighted" }, async (gateway, upstream) => {
    for (let round = 0; round < 40; round++) {
      await Promise.all(Array.from({ length: 10 }, () => call(gateway.url, CHAT)));
    }
    const first = called(upstream).filter((model) => model === "up-1").length;
    // 400 draws at 3/4: five standard deviations are 43.
    assert(Math.abs(first - 300) < 44, `${first} of 400 calls went to the target of weight 3`);
  }, targets);
  const script = { "up-1": errorReply(CHAT, 500), "up-2": healthy };
  await inGateway(script, { strategy: "weighted" }, async (gateway, upstream) => {
    assert.deepEqual(await asked(gateway, upstream, 4), times(4, "up-1+up-2"));
  }, [{ weight: 1 }, { weight: 0 }]);
});

Deno.test("static strategy tries its first target and then the others", async () => {
  const script = { "up-1": errorReply(CHAT, 500), "up-2": healthy };
  await inGateway(script, { strategy: "static" }, async (gateway, upstream) => {
    assert.match((await asked(gateway, upstream, 1))[0]!, /^up-1/);
  });
});

Deno.test("max_attempts ends the plan early", async () => {
  const script = { "up-1": errorReply(CHAT, 500), "up-2": healthy };
  const retry = { max_attempts: 1 };
  await inGateway(script, { retry }, async (gateway, upstream) => {
    const answer = await call(gateway.url, CHAT);
    const error = assertError(CHAT, answer, "upstream-failed");
    assert.equal(error["details"].attempts, 1);
    assert.deepEqual(called(upstream), ["up-1"]);
  });
});

Deno.test("max_attempts counts a request that is sent again without its reasoning once", async () => {
  const refusal = errorReply("anthropic", 400, {
    code: "invalid_request_error",
    message: "messages.1.content.0: Invalid `signature` in `thinking` block",
  });
  const thinking = { type: "thinking", thinking: "Hm", signature: "from-somewhere" };
  const messages = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: [thinking, { type: "text", text: "Hello" }] },
    { role: "user", content: "Go on" },
  ];
  const group = { retry: { max_attempts: 1 } };
  await inGateway([refusal, healthy], group, async (gateway, upstream) => {
    const answer = await call(gateway.url, "anthropic", { body: { messages } });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(called(upstream), ["up-1", "up-1"]);
  });
  await inGateway([refusal, errorReply("anthropic", 503)], group, async (gateway, upstream) => {
    assert.equal((await call(gateway.url, "anthropic", { body: { messages } })).status, 502);
    assert.deepEqual(called(upstream), ["up-1", "up-1"], "and no other target follows");
  });
});

Deno.test("total deadline holds over all attempts", async () => {
  const group = { retry: { total_deadline_ms: 300 }, attempt_timeout_ms: 200 };
  await inGateway(hang(), group, async (gateway, upstream) => {
    const started = performance.now();
    const answer = await call(gateway.url, CHAT);
    const took = performance.now() - started;
    const error = assertError(CHAT, answer, "upstream-timeout");
    assert.equal(error["details"].deadline, "total");
    assert(took > 280 && took < 1_000, `the call took ${took} ms`);
    assert.deepEqual(called(upstream), ["up-1", "up-2"]);
    const [first, second] = (await gateway.settled(1))[0]!["request_attempts"];
    assert.equal(first.attempt_timeout_ms, 200);
    assert(second.attempt_timeout_ms <= 100);
  });
});

Deno.test("total deadline begins with the first attempt, however slow the upload was", async () => {
  const group = { retry: { total_deadline_ms: 300 } };
  await inGateway(healthy, group, async (gateway, upstream) => {
    using connection = await connectRaw(gateway.url);
    const body = JSON.stringify({ model: "fast", messages: [{ role: "user", content: "hello" }] });
    const headers = { "x-api-key": TOKEN, "content-length": String(body.length) };
    await connection.write(requestHead(`POST ${CALL_PATH[CHAT]}`, headers) + body.slice(0, 9));
    await wait(400);
    await connection.write(body.slice(9));
    assert.match(await connection.until(/\}$/), /^HTTP\/1\.1 200 /);
    assert.deepEqual(called(upstream), ["up-1"]);
    const [attempt] = (await gateway.settled(1))[0]!["request_attempts"];
    assert.deepEqual([attempt.outcome, attempt.attempt_timeout_ms], ["ok", 300]);
  });
});

Deno.test("attempt deadline moves on to the next target in time", async () => {
  const group = { attempt_timeout_ms: 100 };
  await inGateway({ "up-1": hang(), "up-2": healthy }, group, async (gateway, upstream) => {
    assert.equal((await call(gateway.url, CHAT, { stream: true })).status, 200);
    assert.equal(await upstream.requests[0]?.ended, "aborted");
  });
});

/** Requests that no target takes, and what keeps each out. */
const NOT_ELIGIBLE: readonly (readonly [string, ConfigTree, ConfigTree, string])[] = [
  ["images", { input_modalities: ["text"] }, {
    messages: [{
      role: "user",
      content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }],
    }],
  }, "input-modality-image"],
  ["tools", { tool_support: {} }, {
    tools: [{ type: "function", function: { name: "f" } }],
  }, "tool-support"],
  ["reasoning", { reasoning: { supported: false } }, {
    reasoning_effort: "high",
  }, "reasoning-support"],
  ["a cap", { honors_max_tokens: false }, { max_tokens: 5 }, "max-tokens-honored"],
  ["no tools", { tool_only: true }, {}, "tool-only-target"],
];

for (const [what, target, body, label] of NOT_ELIGIBLE) {
  Deno.test(`a call with ${what} that no target takes is refused without a call`, async () => {
    await inGateway(healthy, {}, async (gateway, upstream) => {
      const answer = await call(gateway.url, CHAT, { body });
      const { details } = assertError(CHAT, answer, "no-eligible-target") as Loose;
      assert.deepEqual(Object.keys(details).toSorted(), [
        "dialect",
        "hint",
        "model",
        "request_id",
        "requirements",
        "retryable",
        "target_count",
      ]);
      assert(details.hint.includes(label), details.hint);
      assert(answer.json()["error"].message.endsWith(` (${details.hint})`), answer.text);
      assert.equal(upstream.requests.length, 0);
      const [row] = await gateway.settled(1);
      assert.deepEqual([row?.["status"], row?.["attempts"]], [502, 0]);
    }, [target, target]);
  });
}

Deno.test("a prompt too long for every target is told as such, without a call", async () => {
  await inGateway(healthy, {}, async (gateway, upstream) => {
    for (const dialect of DIALECTS) {
      const text = "word ".repeat(2_000);
      const turns = dialect === "openai-responses"
        ? { input: text }
        : { messages: [{ role: "user", content: text }] };
      const answer = await call(gateway.url, dialect, { body: { ...turns, max_tokens: 10 } });
      const { message, details } = assertError(dialect, answer, "context-length-exceeded") as Loose;
      assert.match(message, /^prompt is too long: \d+ tokens > 1000 maximum$/);
      assert.equal(details.max_tokens, 1_000);
    }
    assert.equal(upstream.requests.length, 0);
  }, [{ context_tokens: 1_000 }, { context_tokens: 500 }]);
});

Deno.test("a prompt too long for one target goes to a larger one", async () => {
  const tooLong = errorReply(CHAT, 400, { code: "context_length_exceeded" });
  const script = { "up-1": tooLong, "up-2": healthy };
  await inGateway(script, {}, async (gateway, upstream) => {
    assert.deepEqual(await asked(gateway, upstream, 6), times(6, "up-1+up-2"));
  }, [{ context_tokens: 8_000 }, { context_tokens: 9_000 }]);
  await inGateway(script, {}, async (gateway, upstream) => {
    const answer = await call(gateway.url, CHAT);
    assertError(CHAT, answer, "context-length-exceeded");
    assert.deepEqual(called(upstream), ["up-1"]);
  }, [{ context_tokens: 8_000 }, { context_tokens: 7_000 }]);
});

const FORBIDDEN_IMAGES = [
  "http://127.0.0.1/x.png",
  "http://localhost:8080/x.png",
  "http://169.254.169.254/latest/meta-data",
  "http://10.1.2.3/x.png",
  "http://[::1]/x.png",
  "http://[::ffff:192.168.0.1]/x.png",
  "http://2130706433/x.png",
  "http://printer.local/x.png",
  "http://metadata.google.internal/x.png",
  "https://user:pass@93.184.216.34/x.png",
  "file:///etc/passwd",
  "ftp://93.184.216.34/x.png",
];

Deno.test("image URLs that lead into a private network are refused without a call", async (t) => {
  await inGateway(healthy, {}, async (gateway, upstream) => {
    for (const url of FORBIDDEN_IMAGES) {
      await t.step(url, async () => {
        for (const dialect of DIALECTS) {
          const answer = await call(gateway.url, dialect, { body: withImage(dialect, url) });
          const { details } = assertError(dialect, answer, "upstream-failed") as Loose;
          assert.deepEqual(
            [details.error_class, details.model, details.dialect, details.attempts],
            ["image_url_forbidden", "fast", dialect, 0],
          );
          assert.equal(details.total_request_bytes_bucket, "1b-1kb");
          assert.equal(answer.headers.get("x-should-retry"), "false");
          assert(!answer.text.includes("x.png") && !answer.text.includes("passwd"));
        }
      });
    }
    assert.equal(upstream.requests.length, 0);
    for (const dialect of DIALECTS) {
      const body = withImage(dialect, "https://93.184.216.34/x.png");
      assert.equal((await call(gateway.url, dialect, { body })).status, 200);
    }
  });
});

function withImage(dialect: DialectName, url: string): ConfigTree {
  const content: Readonly<Record<DialectName, object>> = {
    "openai-chat": { type: "image_url", image_url: { url } },
    "openai-responses": { type: "input_image", image_url: url },
    "anthropic": { type: "image", source: { type: "url", url } },
  };
  const turns = [{ role: "user", content: [content[dialect]] }];
  return dialect === "openai-responses" ? { input: turns } : { messages: turns };
}

Deno.test("headers of a reply name the target, unless they are hidden", async () => {
  await using upstream = await startUpstream(healthy);
  const options = { upstreams: [upstream.url] };
  await using gateway = await startTestGateway(options);
  const shown = (await call(gateway.url, CHAT)).headers;
  assert.equal(shown.get("x-router-provider"), providerName(1, CHAT));
  assert.equal(shown.get("x-router-model"), "up-1");
  assert(await gateway.reload({ ...options, server: { expose_route_headers: false } }));
  const hidden = (await call(gateway.url, CHAT)).headers;
  assert.deepEqual([hidden.get("x-router-provider"), hidden.get("x-router-model")], [null, null]);
});
