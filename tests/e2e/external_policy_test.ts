import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { wait } from "@/core/wait.ts";
import { DIALECTS } from "../gateway.ts";
import {
  caller,
  type ConfigOptions,
  type ConfigTree,
  startTestGateway,
  TOKEN,
} from "../gateway.ts";
import type { Loose, TestGateway } from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { type Answer, call, type CallOptions } from "../gateway_client.ts";
import {
  after,
  type Behaviour,
  closedPort,
  echo,
  hang,
  html,
  oversized,
  redirect,
  reply,
  startUpstream,
} from "../upstream.ts";

const ECHO = { base_url: "builtin:echo", dialect: "openai-chat" };
const TARGETS = ["echo-reasoning", "echo"].map((model) => ({ provider: "echo", model }));

/** Chooses the second target. */
const SECOND = { targetIndex: 1, fallbackIndexes: [], classLabel: "decided" };

/** A gateway whose group `asked` asks the policy at this URL; `hurried` gives it little time. */
function asking(url: string, policy: ConfigTree = {}, group: ConfigTree = {}): ConfigOptions {
  const settings = { url, allow_hosts: [new URL(url).hostname], timeout_ms: 5_000, ...policy };
  const asked = {
    strategy: "external",
    base_strategy: "failover",
    external_policy: settings,
    targets: TARGETS,
    ...group,
  };
  return {
    upstreams: [],
    providers: { echo: ECHO },
    group: { targets: TARGETS },
    models: { asked, hurried: { ...asked, external_policy: { ...settings, timeout_ms: 200 } } },
    callers: [caller("ci", TOKEN, { allow: ["fast", "asked", "hurried"] })],
  };
}

const ask = ({ url }: TestGateway, options: CallOptions = {}): Promise<Answer> =>
  call(url, "openai-chat", { ...options, body: { model: "asked", ...options.body } });

const modelOf = (answer: Answer) => answer.headers.get("x-router-model");

const faultsIn = ({ logs }: TestGateway) =>
  logs.map((line): Loose => JSON.parse(line)).filter(({ event }) => event === "policy_fault");

Deno.test("external policy decides: what it is posted is the context, what it answers the plan", async () => {
  await using policy = await startUpstream(reply(SECOND));
  await using gateway = await startTestGateway(
    asking(`${policy.url}/v1/decide`, { headers: { "X-Team": "platform" } }),
  );
  const answer = await ask(gateway);
  assert.equal(answer.status, 200);
  assert.equal(modelOf(answer), "echo");
  const [row] = await gateway.settled(1);
  assert.equal(row?.["class_label"], "decided");
  const [seen] = policy.requests;
  assert.equal(`${seen?.method} ${seen?.path}`, "POST /v1/decide");
  assert.equal(seen?.headers.get("x-request-id"), answer.id);
  assert.equal(seen?.headers.get("x-router-contract"), "1");
  assert.equal(seen?.headers.get("content-type"), "application/json");
  assert.equal(seen?.headers.get("x-team"), "platform");
  const context = seen?.json() ?? {};
  assert.deepEqual(Object.keys(context), [
    "version",
    "requestId",
    "group",
    "now",
    "seed",
    "dialect",
    "features",
    "requirements",
    "caller",
    "contract",
    "conversationKey",
    "conversationKeySource",
    "pinnedIndex",
    "budget",
    "targets",
    "rejected",
  ]);
  assert.equal(context["requestId"], answer.id);
});

Deno.test("external policy may name targets, and what it does not name is not tried", async () => {
  await using policy = await startUpstream(
    reply({ target: { provider: "echo", model: "echo" }, fallbacks: ["echo/echo-reasoning"] }),
  );
  await using gateway = await startTestGateway(asking(policy.url));
  assert.equal(modelOf(await ask(gateway)), "echo");
});

/** What a policy's server may do wrong, and the fault that it is. */
const WRONG: readonly (readonly [string, Behaviour, string])[] = [
  [
    "breaks the connection off",
    (exchange) => Promise.resolve(exchange.reset()),
    "policy-unreachable",
  ],
  ["says nothing", hang(), "policy-timeout"],
  ["is slow", after(5_000, reply(SECOND)), "policy-timeout"],
  ["is slow after its headers", reply(SECOND, { chunkBytes: 4, pauseMs: 1_000 }), "policy-timeout"],
  ["sends us elsewhere", redirect("http://127.0.0.1:1/"), "policy-status"],
  ["fails", reply("{}", { status: 500 }), "policy-status"],
  ["answers a page", html(), "policy-output-invalid"],
  ["answers nothing", reply(""), "policy-output-invalid"],
  ["answers 65,537 bytes", reply(`{"a":"${"x".repeat(65_537 - 8)}"}`), "policy-output-too-large"],
  ["answers without an end", oversized(1 << 28), "policy-output-too-large"],
  ["answers a list", reply([1]), "policy-plan-invalid"],
  ["answers null", reply("null"), "policy-plan-invalid"],
  ["names no target", reply({}), "policy-plan-invalid"],
  ["names an index that is not there", reply({ targetIndex: 2 }), "policy-ineligible-target"],
  ["names half an index", reply({ targetIndex: 0.5 }), "policy-ineligible-target"],
  ["names another group's target", reply({ target: "acme/other" }), "policy-ineligible-target"],
];

for (const onError of ["fail_closed", "fallback"]) {
  Deno.test(`policy that fails ends as on_error: ${onError} says, whatever it does`, async () => {
    await using policy = await startUpstream(reply(SECOND));
    await using gateway = await startTestGateway(
      asking(policy.url, {
        on_error: onError,
        breaker: { consecutive_failures: 1_000, error_rate: 1, min_requests: 1_000 },
      }),
    );
    const ends = async (fault: string, does: string) => {
      const model = fault === "policy-timeout" ? "hurried" : "asked";
      const answer = await ask(gateway, { body: { model } });
      if (onError === "fallback") {
        assert.equal(answer.status, 200, does);
        return assert.equal(modelOf(answer), "echo-reasoning", does);
      }
      const { details } = assertError("openai-chat", answer, "routing-policy-error");
      assert.deepEqual(
        { group: details["group"], policy: details["policy"], fault: details["fault"] },
        { group: model, policy: null, fault },
        does,
      );
      assert.equal(answer.headers.get("x-should-retry"), "false");
    };
    for (const [does, behaviour, fault] of WRONG) {
      policy.script(behaviour);
      await ends(fault, does);
      policy.script(reply(SECOND));
      assert.equal(modelOf(await ask(gateway)), "echo", `the next decision after it ${does}`);
    }
    const rows = (await gateway.settled(2 * WRONG.length)).filter(({ attempts }) => attempts === 0);
    assert.equal(rows.length, onError === "fallback" ? 0 : WRONG.length, "no provider was called");
  });
}

Deno.test("policy that nobody serves is unreachable", async () => {
  await using gateway = await startTestGateway(asking(await closedPort()));
  const { details } = assertError("openai-chat", await ask(gateway), "routing-policy-error");
  assert.equal(details["fault"], "policy-unreachable");
  assert.equal(faultsIn(gateway)[0]?.["fault"], "policy-unreachable");
});

Deno.test("policy on a private address is not asked unless it is granted", async () => {
  const url = "https://10.20.30.40:8443/decide";
  await using gateway = await startTestGateway(
    asking(url, { allow_private: ["10.20.0.0/16:443"] }),
  );
  const { details } = assertError("openai-chat", await ask(gateway), "routing-policy-error");
  assert.equal(details["fault"], "policy-egress-denied");
});

Deno.test("policy that keeps failing is not asked for a while, then once", async () => {
  await using policy = await startUpstream(reply("{}", { status: 500 }));
  await using gateway = await startTestGateway(
    asking(policy.url, { breaker: { consecutive_failures: 3, open_ms: 200 } }),
  );
  const faults: unknown[] = [];
  for (let round = 0; round < 5; round++) {
    faults.push(
      assertError("openai-chat", await ask(gateway), "routing-policy-error")["details"].fault,
    );
  }
  const status = "policy-status";
  assert.deepEqual(faults, [status, status, status, "policy-breaker-open", "policy-breaker-open"]);
  assert.equal(policy.requests.length, 3);
  policy.script(reply(SECOND));
  let answer = await ask(gateway);
  while (answer.status !== 200) answer = await ask(gateway);
  assert.equal(policy.requests.length, 4, "one call tried it again");
  assert.equal(modelOf(await ask(gateway)), "echo");
});

Deno.test("baseline serves the base strategy and asks nobody", async () => {
  await using policy = await startUpstream(reply(SECOND));
  await using gateway = await startTestGateway(asking(policy.url, { mode: "baseline" }));
  assert.equal(modelOf(await ask(gateway)), "echo-reasoning");
  assert.equal(policy.connections, 0);
});

Deno.test("shadow serves the base strategy, and asks the policy's server about every call beside it", async () => {
  const answers = Promise.withResolvers<void>();
  await using policy = await startUpstream(after(answers.promise, reply(SECOND)));
  await using gateway = await startTestGateway(asking(policy.url, { mode: "shadow" }));
  for (let round = 0; round < 3; round++) {
    assert.equal(modelOf(await ask(gateway)), "echo-reasoning");
  }
  const last = await policy.request(3);
  assert.equal(last.json()["group"], "asked");
  assert.equal((await gateway.settled(3)).length, 3, "no call waits for it");
  answers.resolve();
});

Deno.test("verdicts are used again for the same conversation, as long as they are fresh", async () => {
  await using policy = await startUpstream([reply(SECOND), reply({ targetIndex: 0 })]);
  await using gateway = await startTestGateway(
    asking(policy.url, { verdict_cache: { ttl_ms: 60_000 } }),
  );
  const session = (name: string) => ({ headers: { "x-router-session": name } });
  assert.equal(modelOf(await ask(gateway, session("a"))), "echo");
  assert.equal(modelOf(await ask(gateway, session("a"))), "echo");
  assert.equal(policy.requests.length, 1);
  assert.equal(modelOf(await ask(gateway, session("b"))), "echo-reasoning");
  assert.equal(policy.requests.length, 2);
});

Deno.test("verdict that holds no more, since a target has another model now, is asked for again", async () => {
  await using policy = await startUpstream([
    reply({ target: { provider: "echo", model: "echo" } }),
    reply({ targetIndex: 1 }),
  ]);
  const options = (model: string) => {
    const targets = [{ provider: "echo", model, id: "a" }, { ...TARGETS[0], id: "b" }];
    return asking(policy.url, { verdict_cache: { ttl_ms: 60_000 } }, { targets });
  };
  await using gateway = await startTestGateway(options("echo"));
  assert.equal(modelOf(await ask(gateway)), "echo");
  assert(await gateway.reload(options("echo-no-usage")));
  assert.equal(modelOf(await ask(gateway)), "echo-reasoning");
  assert.equal(policy.requests.length, 2);
});

Deno.test("caller that leaves ends the question to the policy, and that is no fault", async () => {
  await using policy = await startUpstream(hang());
  await using gateway = await startTestGateway(
    asking(policy.url, {
      on_error: "fallback",
      breaker: { consecutive_failures: 1 },
    }),
  );
  const stop = new AbortController();
  const answer = ask(gateway, { signal: stop.signal });
  const seen = await policy.request(1);
  stop.abort();
  await assert.rejects(answer);
  assert.equal(await seen.ended, "aborted");
  const [row] = await gateway.settled(1);
  assert.equal(row?.["status"], 499);
  assert.equal(row?.["attempts"], 0);
  assert.deepEqual(faultsIn(gateway), []);
  policy.script(reply(SECOND));
  assert.equal(modelOf(await ask(gateway)), "echo", "its breaker is closed");
});

Deno.test("time at the policy's server is no overhead of the gateway, and metrics tell of its runs", async () => {
  await using policy = await startUpstream([after(300, reply(SECOND)), html()]);
  await using gateway = await startTestGateway({
    ...asking(policy.url, { on_error: "fallback" }),
    callers: [caller("ci", TOKEN, { allow: ["asked"], metrics_admin: true })],
  });
  await ask(gateway);
  await ask(gateway);
  const [row] = await gateway.settled(2);
  assert(row?.["policy_us"] >= 290_000, "its time is recorded");
  assert(row?.["latency_ms"] * 1000 - row?.["overhead_us"] >= 290_000, "and taken off");
  const headers = { authorization: `Bearer ${TOKEN}` };
  const page = await (await fetch(`${gateway.url}/metrics`, { headers })).text();
  for (
    const line of [
      'policy_decisions_total{group="asked",kind="external",outcome="success"} 1',
      'policy_decisions_total{group="asked",kind="external",outcome="fallback"} 1',
      'policy_faults_total{group="asked",fault="policy-output-invalid"} 1',
      'policy_duration_seconds_count{group="asked"} 2',
    ]
  ) {
    assert(page.includes(`pointsman_${line}\n`), line);
  }
});

Deno.test("decisions share connections to the policy's server", async () => {
  await using policy = await startUpstream(reply(SECOND));
  await using gateway = await startTestGateway(asking(policy.url));
  for (let round = 0; round < 5; round++) await ask(gateway);
  assert.equal(policy.connections, 1);
});

Deno.test("explain asks the policy's server only when it is told to", async () => {
  await using policy = await startUpstream(reply(SECOND));
  await using gateway = await startTestGateway(asking(policy.url));
  const explain = async (query: string) =>
    (await ask(gateway, { path: `/v1/route/explain${query}` })).json();
  const unasked = await explain("");
  assert.equal(unasked["plan"], null);
  assert.match(unasked["error"].message, /call_policy=true/);
  assert.equal(policy.connections, 0);
  const asked = await explain("?call_policy=true");
  assert.deepEqual(asked["plan"], SECOND);
  assert.equal(asked["error"], null);
  policy.script(html());
  const failed = await explain("?call_policy=true");
  assert.equal(failed["error"].details.fault, "policy-output-invalid");
  assert.deepEqual(faultsIn(gateway), [], "a trial is told to nobody");
});

Deno.test("explain that its caller left while a policy was asked keeps what it took of the pace", async () => {
  await using policy = await startUpstream(hang());
  await using gateway = await startTestGateway({
    ...asking(policy.url),
    callers: [
      caller("ci", TOKEN, {
        allow: ["asked"],
        traffic_shape: { request_start_per_sec: 0.001, request_burst: 1 },
      }),
    ],
  });
  const leaving = new AbortController();
  const path = "/v1/route/explain?call_policy=true";
  const left = ask(gateway, { path, signal: leaving.signal }).catch(() => null);
  const asked = await policy.request(1);
  leaving.abort();
  assert.equal(await left, null);
  assert.equal(await asked.ended, "aborted");
  await wait(50);
  assertError("openai-chat", await ask(gateway, { path: "/v1/route/explain" }), "traffic-shaped");
});

Deno.test("reload changes the policy for calls that come, and keeps what is known of one that stays", async () => {
  await using policy = await startUpstream(reply(SECOND));
  await using other = await startUpstream(reply({ targetIndex: 0 }));
  await using gateway = await startTestGateway(asking(policy.url));
  assert.equal(modelOf(await ask(gateway)), "echo");
  assert.equal(await gateway.reload(asking(policy.url, {}, { unknown_limits: "allow" })), true);
  assert.equal(modelOf(await ask(gateway)), "echo");
  assert.equal(policy.connections, 1);
  assert.equal(await gateway.reload(asking(other.url)), true);
  assert.equal(modelOf(await ask(gateway)), "echo-reasoning");
  assert.equal(other.requests.length, 1);
});

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==";

/** The same words and the same picture on each wire. */
const ASKED: Readonly<Record<DialectName, ConfigTree>> = {
  "openai-chat": {
    messages: [
      { role: "system", content: "Be brief" },
      {
        role: "user",
        content: [
          { type: "text", text: "What is this?" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } },
        ],
      },
    ],
  },
  "openai-responses": {
    instructions: "Be brief",
    input: [{
      role: "user",
      content: [
        { type: "input_text", text: "What is this?" },
        { type: "input_image", image_url: `data:image/png;base64,${PIXEL}` },
      ],
    }],
  },
  "anthropic": {
    system: "Be brief",
    messages: [{
      role: "user",
      content: [
        { type: "text", text: "What is this?" },
        { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } },
      ],
    }],
  },
};

for (const dialect of DIALECTS) {
  Deno.test(`policy with include_request sees the words on ${dialect}, and media by their size`, async () => {
    await using policy = await startUpstream(reply({ targetIndex: 0 }));
    await using provider = await startUpstream(echo("echo"));
    const external = { url: policy.url, allow_hosts: ["127.0.0.1"], include_request: true };
    await using gateway = await startTestGateway({
      upstreams: [provider.url],
      group: { strategy: "external", external_policy: external },
    });
    const answer = await call(gateway.url, dialect, { body: ASKED[dialect] });
    assert.equal(answer.status, 200, answer.text);
    const context: Loose = policy.requests[0]!.json();
    assert.deepEqual(Object.keys(context).slice(-4), ["rejected", "text", "request", "truncated"]);
    assert.equal(context["text"], "Be brief\nWhat is this?");
    assert.equal(context["truncated"], false);
    assert.equal(context["request"].model, "fast");
    const request = JSON.stringify(context["request"]);
    assert.match(request, /"What is this\?"\},\{"omitted":"image","bytes":\d+\}/);
    assert(!request.includes(PIXEL));
  });
}

Deno.test("policy with include_request sees the end of what is too long, and not the request", async () => {
  await using policy = await startUpstream(reply({ targetIndex: 0 }));
  await using gateway = await startTestGateway(asking(policy.url, { include_request: true }));
  const exact = "ä".repeat(60_000);
  await ask(gateway, { body: { messages: [{ role: "user", content: exact }] } });
  assert.equal(policy.requests[0]!.json()["text"], exact);
  const long = `${"ä".repeat(100_000)}${"x".repeat(80_000)}end`;
  const answer = await ask(gateway, { body: { messages: [{ role: "user", content: long }] } });
  assert.equal(answer.status, 200, answer.text);
  const context: Loose = policy.requests[1]!.json();
  assert.equal(context["truncated"], true);
  assert(!("request" in context));
  assert(long.endsWith(context["text"]), "its end, and no half character");
  assert.equal(new TextEncoder().encode(context["text"]).length, 262_143);
});

Deno.test("no secret reaches the policy's server, and none of its own is written anywhere", async () => {
  await using policy = await startUpstream(reply(SECOND));
  await using gateway = await startTestGateway({
    ...asking(`${policy.url}/path-canary-1`, {
      headers: { authorization: "Bearer header-canary-2" },
      feedback: { enabled: true },
    }),
    providers: {
      echo: { ...ECHO, api_key: "key-canary-3", headers: { "x-secret": "provider-canary-4" } },
    },
    server: { conversation_salt: "salt-canary-5-salt-canary-5-salt-canary" },
  });
  await ask(gateway, {
    headers: { cookie: "cookie-canary-6", "x-router-session": "session-canary-7" },
    body: {
      messages: [{ role: "system", content: "system-canary-8" }, {
        role: "user",
        content: [
          { type: "text", text: "prompt-canary-9" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } },
        ],
      }],
      tools: [{ type: "function", function: { name: "tool-canary-10", parameters: {} } }],
      metadata: { note: "metadata-canary-11" },
    },
  });
  await policy.request(2);
  const posted = policy.requests.map(({ body }) => new TextDecoder().decode(body)).join("\n");
  assert.match(posted, /feedback\.v1/);
  assert.doesNotMatch(posted, /canary/);
  assert(!posted.includes(TOKEN) && !posted.includes(PIXEL.slice(0, 24)));
  policy.script(html());
  const failed = await ask(gateway);
  const { settled, logs } = gateway;
  const own = /canary-[12]\b|path-canary|127\.0\.0\.1:\d+\/path/;
  assert.doesNotMatch(failed.text, own);
  assert.doesNotMatch(JSON.stringify(await settled(2)), own);
  assert.doesNotMatch(logs.join("\n"), own);
  const explained = await ask(gateway, { path: "/v1/route/explain?call_policy=true" });
  assert.doesNotMatch(explained.text, own);
});
