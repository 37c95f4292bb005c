import assert from "node:assert/strict";
import { wait } from "@/core/wait.ts";
import { sumOf } from "../exposition.ts";
import { caller, type ConfigOptions, providerName, TOKEN } from "../gateway.ts";
import { call, metricsOf } from "../gateway_client.ts";
import { after, errorReply, hang, reply } from "../upstream.ts";
import { called, CHAT, healthy, hedge, inGateway, PRICED, SOON } from "./hedged_calls.ts";

Deno.test("hedges stay within their share of calls", async () => {
  const script = { "up-1": after(30, healthy), "up-2": healthy };
  const group = hedge(1, { max_percent: 25 });
  await inGateway(script, { group }, async (gateway) => {
    const hedges = async (calls: number) =>
      (await gateway.settled(calls)).filter(({ attempts }) => attempts === 2).length;
    for (let made = 0; made < 24; made++) {
      assert.equal((await call(gateway.url, CHAT)).status, 200);
    }
    assert.equal(await hedges(24), 6);
    await Promise.all(Array.from({ length: 40 }, () => call(gateway.url, CHAT)));
    const all = await hedges(64);
    assert(all <= 16 && all > 6, `${all} of 64 calls had a hedge`);
  });
});

Deno.test("losers count for nothing in the health of their target", async () => {
  const group = { ...hedge(), breaker: { consecutive_failures: 2, min_requests: 2 } };
  const callers = [caller("ci", TOKEN, { metrics_admin: true })];
  const script = { "up-1": hang(), "*": healthy };
  await inGateway(script, { group, callers }, async (gateway, upstream) => {
    for (let made = 0; made < 6; made++) await call(gateway.url, CHAT);
    assert.deepEqual(called(upstream), Array(6).fill(["up-1", "up-2"]).flat());
    const path = "/v1/route/explain";
    const { eligible } = (await call(gateway.url, CHAT, { path })).json();
    assert.equal(eligible[0].id, `${providerName(1, CHAT)}/up-1`);
    const metrics = await metricsOf(gateway.url, TOKEN);
    const lost = sumOf(metrics, "pointsman_upstream_attempts_total", { outcome: "hedge_loser" });
    assert.equal(lost, 6);
    assert.equal(sumOf(metrics, "pointsman_upstream_inflight", {}), 0);
    assert.equal(sumOf(metrics, "pointsman_fallbacks_total", {}), 0);
  });
});

Deno.test("a hedge is no probe of a target that was failing", async () => {
  const group = { ...hedge(), breaker: { open_ms: 1, consecutive_failures: 1 } };
  const script = {
    "up-1": [errorReply(CHAT, 503), hang()],
    "up-2": [errorReply(CHAT, 503), hang()],
    "up-3": healthy,
  };
  await inGateway(script, { group }, async (gateway, upstream) => {
    await call(gateway.url, CHAT);
    await wait(30);
    const answer = await call(gateway.url, CHAT);
    assert.equal(answer.headers.get("x-router-model"), "up-3");
    assert.deepEqual(called(upstream).slice(3), ["up-1", "up-3"]);
  });
});

Deno.test("after_ms p95 goes by what was measured of the first target", async () => {
  const script = { "up-1": [after(300, healthy), hang()], "*": healthy };
  await inGateway(script, { group: hedge("p95") }, async (gateway, upstream) => {
    await call(gateway.url, CHAT);
    assert.deepEqual(called(upstream), ["up-1"], "nothing was measured yet");
    // Figures are a quarter of a second old at most.
    await wait(260);
    const from = performance.now();
    const answer = await call(gateway.url, CHAT);
    assert.equal(answer.headers.get("x-router-model"), "up-2");
    assert.deepEqual(called(upstream), ["up-1", "up-1", "up-2"]);
    const waited = upstream.requests[2]!.receivedAt - from;
    assert(waited >= 280, `the hedge began after ${waited} ms`);
  });
});

/** What forbids a hedge although the first target is slow. */
const FORBIDDEN: readonly (readonly [string, Partial<ConfigOptions>])[] = [
  ["it is off", { group: { hedge: { enabled: false, after_ms: SOON, max_percent: 100 } } }],
  ["its share is 0", { group: hedge(SOON, { max_percent: 0 }) }],
  ["only one attempt is allowed", { group: { ...hedge(), retry: { max_attempts: 1 } } }],
  ["the deadline comes first", { group: { ...hedge(200), retry: { total_deadline_ms: 150 } } }],
  ["the budget is under pressure", {
    group: hedge(SOON, { max_pressure: 0 }),
    callers: [caller("ci", TOKEN, { quota: { day: { tokens: 1_000_000 } } })],
  }],
  ["both do not fit the budget", {
    group: hedge(SOON, { max_pressure: 1 }),
    // 1,024 tokens of output are reserved, at 2 USD per million.
    callers: [caller("ci", TOKEN, { quota: { day: { cost_usd: 0.004 } } })],
  }],
  ["the pace of the others is used up", {
    targets: [
      PRICED,
      ...Array(2).fill({
        ...PRICED,
        traffic_shape: { total_reserved_tokens_per_sec: 1, total_reserved_token_burst: 1 },
      }),
    ],
  }],
];

for (const [why, options] of FORBIDDEN) {
  Deno.test(`a slow target has nobody beside it when ${why}`, async () => {
    const served = Promise.withResolvers<void>();
    const script = { "up-1": after(served.promise, healthy), "*": healthy };
    await inGateway(script, options, async (gateway, upstream) => {
      const answering = call(gateway.url, CHAT, { body: { max_tokens: 1_024 } });
      await upstream.request(1);
      await wait(10 * SOON);
      served.resolve();
      await answering;
      const models = called(upstream);
      assert.deepEqual([...new Set(models)], ["up-1"]);
    });
  });
}

for (const shared of [false, true]) {
  const where = shared ? "in a store that processes share" : "in this process";
  Deno.test(`budgets ${where}, rows and the providers' own counts agree over many hedged calls`, async () => {
    const usage = { prompt_tokens: 1, completion_tokens: 50, total_tokens: 51 };
    const said = { index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" };
    const answer = { id: "c", object: "chat.completion", created: 1, model: "m", choices: [said] };
    const answers = reply({ ...answer, usage }, { framing: "length" });
    let [asked, sent] = [0, 0];
    const counted = (ms: number) => async (exchange: Parameters<typeof answers>[0]) => {
      asked += 1;
      await after(ms, answers)(exchange);
      sent += 1;
    };
    const limit = 0.02;
    const options: Partial<ConfigOptions> = {
      server: { ledger: { shared } },
      group: hedge(5, { max_pressure: 1 }),
      callers: [caller("ci", TOKEN, { quota: { day: { cost_usd: limit } } })],
    };
    const waits = [0, 30, 5, 60, 10];
    const script = { "up-1": waits.map(counted), "*": waits.toReversed().map(counted) };
    await inGateway(script, options, async (gateway) => {
      const made = 300;
      const statuses: number[] = [];
      for (let round = 0; round < made / 20; round++) {
        const body = { max_tokens: 50 };
        const calls = Array.from({ length: 20 }, () => call(gateway.url, CHAT, { body }));
        statuses.push(...(await Promise.all(calls)).map(({ status }) => status));
      }
      const rows = await gateway.settled(made);
      assert.equal(rows.length, made);
      const served = statuses.filter((status) => status === 200).length;
      const attempts = rows.flatMap((row) => row["request_attempts"]);
      assert.equal(attempts.filter(({ selected }) => selected === 1).length, served);
      const lost = attempts.filter(({ outcome }) => outcome === "hedge_loser");
      assert(lost.length > 20, `${lost.length} hedges`);
      // Who loses at once may never have been heard of by its provider.
      const unheard = attempts.length - asked;
      assert(unheard >= 0 && unheard <= lost.length, `${unheard} attempts were never seen`);
      assert(sent >= served && sent <= asked);
      const charged = rows.reduce((sum, row) => sum + row["charged_nusd"], 0);
      assert.equal(charged, served * 101_000);
      assert(charged <= limit * 1e9 && served < made, `${served} calls were charged ${charged}`);
      const usage = await (await fetch(`${gateway.url}/v1/usage`, {
        headers: { "x-api-key": TOKEN },
      })).json();
      assert.equal(usage.quota.day.cost_usd.used, charged / 1e9);
      assert.equal(usage.quota.day.cost_usd.reserved, 0, "and nothing stays reserved");
    });
  });
}
