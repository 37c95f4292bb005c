import assert from "node:assert/strict";
import { wait } from "@/core/wait.ts";
import { caller, DIALECTS, type Loose, providerName, type TestGateway, TOKEN } from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { call, send } from "../gateway_client.ts";
import { after, errorReply, firstFrames, hang, partial, sampleReply } from "../upstream.ts";
import { called, CHAT, healthy, hedge, inGateway, NEVER, outcomes } from "./hedged_calls.ts";

/** What the decision of a call says of its way from target to target. */
function transitions({ dir }: TestGateway): Loose[] {
  const path = `${dir}/state/journal/events.jsonl`;
  return Deno.readTextFileSync(path).trim().split("\n").map((line) => JSON.parse(line))
    .flatMap(({ request_fallback_transitions: rows }) => rows ?? []);
}

for (const dialect of DIALECTS) {
  for (const stream of [false, true]) {
    const what = `${dialect}, ${stream ? "streamed" : "unary"}`;

    Deno.test(`the second target serves when the first says nothing (${what})`, async () => {
      await inGateway({ "up-1": hang(), "*": healthy }, {}, async (gateway, upstream) => {
        const answer = await call(gateway.url, dialect, { stream });
        assert.equal(answer.status, 200, answer.text);
        assert(answer.text.includes("hello"));
        assert.equal(answer.headers.get("x-router-model"), "up-2");
        assert.equal(await upstream.requests[0]!.ended, "aborted", "the loser is really stopped");
        assert.deepEqual(called(upstream), ["up-1", "up-2"]);
        const [row] = await gateway.settled(1);
        assert.deepEqual(outcomes(row!), ["hedge_loser", "ok"]);
        assert.deepEqual(row!["request_attempts"].map(({ selected }: Loose) => selected), [0, 1]);
        assert.deepEqual([row!["target_model"], row!["fallback_used"], row!["attempts"]], [
          "up-2",
          0,
          2,
        ]);
        assert.equal(row!["request_attempts"][1].fallback_reason, "hedge");
        assert.equal(row!["total_cost_nusd"], row!["request_attempts"][1].cost_nusd);
        const overhead = row!["overhead_us"];
        assert(overhead > 0 && overhead < row!["latency_ms"] * 1_000, "each wait counts once");
      });
    });

    Deno.test(`the first target serves when it is first (${what})`, async () => {
      const second = Promise.withResolvers<void>();
      const script = { "up-1": after(second.promise, healthy), "up-2": hang() };
      await inGateway(script, {}, async (gateway, upstream) => {
        const answering = call(gateway.url, dialect, { stream });
        await upstream.request(2);
        second.resolve();
        const answer = await answering;
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.headers.get("x-router-model"), "up-1");
        assert.equal(await upstream.requests[1]!.ended, "aborted");
        const [row] = await gateway.settled(1);
        assert.deepEqual(outcomes(row!), ["ok", "hedge_loser"]);
        assert.deepEqual([row!["target_model"], row!["error_class"]], ["up-1", ""]);
      });
    });

    Deno.test(`a target that is fast enough has nobody beside it (${what})`, async () => {
      await inGateway(healthy, { group: hedge(NEVER) }, async (gateway, upstream) => {
        assert.equal((await call(gateway.url, dialect, { stream })).status, 200);
        assert.deepEqual(called(upstream), ["up-1"]);
        assert.deepEqual(outcomes((await gateway.settled(1))[0]!), ["ok"]);
      });
    });
  }

  Deno.test(`a stream that only began has not served yet (${dialect})`, async () => {
    const opening = firstFrames(await sampleReply(dialect, { stream: true }), 1);
    const script = { "up-1": partial(opening, "silence"), "up-2": healthy };
    await inGateway(script, { group: hedge(700) }, async (gateway, upstream) => {
      const answer = await call(gateway.url, dialect, { stream: true });
      assert.equal(answer.headers.get("x-router-model"), "up-2");
      assert.equal(await upstream.requests[0]!.ended, "aborted");
      const [row] = await gateway.settled(1);
      assert.deepEqual(outcomes(row!), ["hedge_loser", "ok"]);
      const [lost, served] = row!["request_attempts"];
      // Anthropic's stream begins with the tokens of its input.
      assert.equal(lost.input_tokens !== null, dialect === "anthropic");
      assert.equal(row!["other_attempts_cost_nusd"], lost.cost_nusd ?? 0);
      assert.equal(row!["other_attempts_cost_nusd"] > 0, dialect === "anthropic");
      assert.deepEqual(
        [row!["total_cost_nusd"], row!["charged_nusd"]],
        [served.cost_nusd, served.cost_nusd],
      );
    });
  });
}

Deno.test("a hedge that serves over a bridge ends a target of the caller's own dialect", async () => {
  const models = {
    mixed: {
      strategy: "failover",
      ...hedge(),
      targets: DIALECTS.map((dialect, at) => ({
        provider: providerName(at + 1, dialect),
        model: `up-${at + 1}`,
        inbound_dialects: [...DIALECTS],
      })),
    },
  };
  const callers = [caller("ci", TOKEN, { allow: ["mixed"] })];
  const script = { "up-1": hang(), "*": healthy };
  await inGateway(script, { models, callers }, async (gateway, upstream) => {
    for (const stream of [false, true]) {
      const answer = await call(gateway.url, CHAT, { stream, body: { model: "mixed" } });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers.get("x-router-model"), "up-2");
      assert(answer.text.includes("hello"));
    }
    assert.deepEqual(called(upstream), ["up-1", "up-2", "up-1", "up-2"]);
    const rows = await gateway.settled(2);
    assert.deepEqual(
      rows.map(({ bridge }) => bridge),
      Array(2).fill("openai-chat>openai-responses"),
    );
  });
});

Deno.test("of two replies in the same moment one serves", async () => {
  for (const stream of [false, true]) {
    const both = Promise.withResolvers<void>();
    await inGateway(after(both.promise, healthy), {}, async (gateway, upstream) => {
      const answers = Array.from({ length: 20 }, () => call(gateway.url, CHAT, { stream }));
      await upstream.request(40);
      both.resolve();
      for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200);
      for (const row of await gateway.settled(20)) {
        assert.deepEqual(outcomes(row).toSorted(), ["hedge_loser", "ok"]);
        const served = row["request_attempts"].find(({ selected }: Loose) => selected === 1);
        assert.deepEqual([served.outcome, served.model], ["ok", row["target_model"]]);
        assert.equal(row["total_cost_nusd"], served.cost_nusd);
      }
    });
  }
});

Deno.test("the hedge goes on as the fallback of a first target that fails", async () => {
  const [fails, serves] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const script = {
    "up-1": after(fails.promise, errorReply(CHAT, 503)),
    "up-2": after(serves.promise, healthy),
  };
  await inGateway(script, {}, async (gateway, upstream) => {
    const answering = call(gateway.url, CHAT);
    await upstream.request(2);
    fails.resolve();
    await upstream.requests[0]!.ended;
    serves.resolve();
    assert.equal((await answering).status, 200);
    assert.deepEqual(called(upstream), ["up-1", "up-2"]);
    const [row] = await gateway.settled(1);
    assert.deepEqual(outcomes(row!), ["upstream_overloaded", "ok"]);
    assert.equal(row!["fallback_used"], 1);
    assert.equal(row!["request_attempts"][1].fallback_reason, "upstream_overloaded");
  });
});

Deno.test("the next target follows when both fail, the hedge first", async () => {
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const script = {
    "up-1": after(first.promise, errorReply(CHAT, 503)),
    "up-2": after(second.promise, errorReply(CHAT, 429)),
    "up-3": healthy,
  };
  await inGateway(script, {}, async (gateway, upstream) => {
    const answering = call(gateway.url, CHAT);
    await upstream.request(2);
    second.resolve();
    await upstream.requests[1]!.ended;
    first.resolve();
    assert.equal((await answering).headers.get("x-router-model"), "up-3");
    assert.deepEqual(called(upstream), ["up-1", "up-2", "up-3"]);
    const [row] = await gateway.settled(1);
    assert.deepEqual(outcomes(row!), ["upstream_overloaded", "upstream_rate_limited", "ok"]);
    await gateway.usageRows();
    assert.deepEqual(transitions(gateway).map((step) => step["failed_target_id"]), [
      "p1-openai-chat/up-1",
      "p2-openai-chat/up-2",
    ]);
  });
});

Deno.test("the first target goes on when its hedge is refused the request", async () => {
  const first = Promise.withResolvers<void>();
  const script = { "up-1": after(first.promise, healthy), "up-2": errorReply(CHAT, 400) };
  await inGateway(script, {}, async (gateway, upstream) => {
    const answering = call(gateway.url, CHAT);
    await (await upstream.request(2)).ended;
    first.resolve();
    assert.equal((await answering).status, 200);
    const [row] = await gateway.settled(1);
    assert.deepEqual(outcomes(row!), ["ok", "upstream_bad_request"]);
    assert.deepEqual([row!["target_model"], row!["fallback_used"]], ["up-1", 0]);
  });
});

Deno.test("a fallback says what it follows, also behind a hedge that was stopped", async () => {
  const first = Promise.withResolvers<void>();
  const tooLong = errorReply(CHAT, 400, { code: "context_length_exceeded" });
  const script = { "up-1": after(first.promise, tooLong), "up-2": hang(), "up-3": healthy };
  const targets = [{ context_tokens: 50_000 }, { context_tokens: 40_000 }, {}];
  await inGateway(script, { targets }, async (gateway, upstream) => {
    const answering = call(gateway.url, CHAT);
    await upstream.request(2);
    first.resolve();
    assert.equal((await answering).headers.get("x-router-model"), "up-3");
    const [row] = await gateway.settled(1);
    assert.deepEqual(outcomes(row!), ["upstream_context_length", "hedge_loser", "ok"]);
    assert.deepEqual([row!["fallback_used"], row!["request_attempts"][2].fallback_reason], [
      1,
      "upstream_context_length",
    ]);
    await gateway.usageRows();
    const told = transitions(gateway).map((row) => [row["failed_target_id"], row["error_class"]]);
    const failed = ["p1-openai-chat/up-1", "upstream_context_length"];
    assert.deepEqual(told, [failed, failed], "a hedge that was stopped did not fail");
  });
});

Deno.test("a request that the first target refuses ends its hedge, too", async () => {
  const first = Promise.withResolvers<void>();
  const script = { "up-1": after(first.promise, errorReply(CHAT, 400)), "up-2": hang() };
  await inGateway(script, {}, async (gateway, upstream) => {
    const answering = call(gateway.url, CHAT);
    await upstream.request(2);
    first.resolve();
    const error = assertError(CHAT, await answering, "upstream-failed");
    assert.equal(error["details"].error_class, "upstream_bad_request");
    assert.equal(await upstream.requests[1]!.ended, "aborted");
    const [row] = await gateway.settled(1);
    assert.deepEqual(outcomes(row!), ["upstream_bad_request", "hedge_loser"]);
  });
});

Deno.test("reasoning that both targets reject is left out when both are tried again", async () => {
  const refusal = errorReply("anthropic", 400, {
    code: "invalid_request_error",
    message: "messages.1.content.0: Invalid `signature` in `thinking` block",
  });
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const script = {
    "up-1": [after(first.promise, refusal), errorReply("anthropic", 503)],
    "up-2": [after(second.promise, refusal), healthy],
  };
  const thinking = { type: "thinking", thinking: "Hm", signature: "from-somewhere" };
  const messages = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: [thinking, { type: "text", text: "Hello" }] },
    { role: "user", content: "Go on" },
  ];
  await inGateway(script, {}, async (gateway, upstream) => {
    const answering = call(gateway.url, "anthropic", { body: { messages } });
    await upstream.request(2);
    first.resolve();
    await upstream.requests[0]!.ended;
    second.resolve();
    assert.equal((await answering).status, 200);
    assert.deepEqual(called(upstream), ["up-1", "up-2", "up-1", "up-2"]);
    const sent = upstream.requests.map(({ body }) => new TextDecoder().decode(body));
    assert.deepEqual(sent.map((body) => body.includes("signature")), [true, true, false, false]);
  });
});

Deno.test("a caller that leaves ends both targets", async () => {
  await inGateway(hang(), {}, async (gateway, upstream) => {
    const stop = new AbortController();
    const left = send(gateway.url, CHAT, { signal: stop.signal });
    await upstream.request(2);
    stop.abort();
    await assert.rejects(left);
    for (const { ended } of upstream.requests) assert.equal(await ended, "aborted");
    const [row] = await gateway.settled(1);
    assert.equal(row!["status"], 499);
    assert.deepEqual(outcomes(row!), ["client_disconnect", "client_disconnect"]);
    assert.deepEqual([row!["total_cost_nusd"], row!["other_attempts_cost_nusd"]], [0, 0]);
  });
});

Deno.test("a caller that leaves after the hedge failed ends the first target", async () => {
  await inGateway(
    { "up-1": hang(), "up-2": errorReply(CHAT, 503) },
    {},
    async (gateway, upstream) => {
      const stop = new AbortController();
      const left = send(gateway.url, CHAT, { signal: stop.signal });
      await (await upstream.request(2)).ended;
      // What was sent is read soon after.
      await wait(100);
      stop.abort();
      await assert.rejects(left);
      assert.equal(await upstream.requests[0]!.ended, "aborted");
      const [row] = await gateway.settled(1);
      assert.deepEqual(outcomes(row!), ["client_disconnect", "upstream_overloaded"]);
    },
  );
});

Deno.test("a gateway that ends cuts both targets, and begins no hedge", async () => {
  await inGateway(hang(), { server: { shutdown_grace_ms: 300 } }, async (gateway, upstream) => {
    const answering = call(gateway.url, CHAT);
    await upstream.request(2);
    const stopped = gateway[Symbol.asyncDispose]();
    assertError(CHAT, await answering, "shutting-down");
    for (const { ended } of upstream.requests) assert.equal(await ended, "aborted");
    await stopped;
  }).catch(isGone);
  const late = { server: { shutdown_grace_ms: 600 }, group: hedge(200) };
  await inGateway(hang(), late, async (gateway, upstream) => {
    const answering = call(gateway.url, CHAT);
    await upstream.request(1);
    const stopped = gateway[Symbol.asyncDispose]();
    assertError(CHAT, await answering, "shutting-down");
    assert.deepEqual(called(upstream), ["up-1"]);
    await stopped;
  }).catch(isGone);
});

/** The folder of a gateway that was ended before its test is gone already. */
function isGone(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

Deno.test("a conversation stays with the hedge that served it", async () => {
  const group = { ...hedge(), affinity: { enabled: true } };
  await inGateway({ "up-1": hang(), "*": healthy }, { group }, async (gateway) => {
    const headers = { "x-router-session": "s-1" };
    await call(gateway.url, CHAT, { headers });
    const path = "/v1/route/explain";
    const { conversation, passes } = (await call(gateway.url, CHAT, { headers, path })).json();
    assert.deepEqual([conversation.pin, passes.at(-1).order[0]], ["hit", 1]);
  });
});

Deno.test("calls that wait for a hedged one get its reply from the cache", async () => {
  const serves = Promise.withResolvers<void>();
  const script = { "up-1": hang(), "*": after(serves.promise, healthy) };
  await inGateway(script, { server: { cache: { enabled: true } } }, async (gateway, upstream) => {
    const body = { temperature: 0 };
    const answers = Array.from({ length: 3 }, () => call(gateway.url, CHAT, { body }));
    await upstream.request(2);
    serves.resolve();
    const caches = (await Promise.all(answers)).map(({ headers }) => headers.get("x-router-cache"));
    assert.deepEqual(caches.toSorted(), ["hit", "hit", "miss"]);
    assert.deepEqual(called(upstream), ["up-1", "up-2"]);
  });
});

Deno.test("the way from target to target says which was a hedge", async () => {
  await inGateway({ "up-1": hang(), "*": healthy }, {}, async (gateway) => {
    await call(gateway.url, CHAT);
    await gateway.usageRows();
    const [transition] = transitions(gateway);
    assert.deepEqual(
      [transition?.["fallback_reason"], transition?.["hedged"], transition?.["fallback_succeeded"]],
      ["hedge", 1, 1],
    );
  });
});
