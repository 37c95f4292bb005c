import assert from "node:assert/strict";
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
