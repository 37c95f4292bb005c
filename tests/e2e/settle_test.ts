import assert from "node:assert/strict";
import { Calibration } from "@/core/calibration.ts";
import { Ledger } from "@/core/limits/ledger.ts";
import { dialects } from "@/dialects/mod.ts";
import { caller, type Loose, startTestGateway, TOKEN } from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { echo, reply, sampleReply, sse, startUpstream } from "../upstream.ts";

Deno.test("a fault of ours in accounting loses neither the call nor its record", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    callers: [caller("ci", TOKEN, { rate: { rpm: 100 } })],
  });
  const { settle } = Ledger.prototype;
  Ledger.prototype.settle = () => {
    throw new TypeError("planted");
  };
  try {
    const answer = await call(gateway.url, "openai-chat");
    assert.equal(answer.status, 200, answer.text);
    const [row] = await gateway.settled(1);
    assert.deepEqual([row!["request_id"], row!["status"]], [answer.id, 200]);
    assert(gateway.logs.some((line) => line.includes("Cannot account for a call")));
  } finally {
    Ledger.prototype.settle = settle;
  }
});

Deno.test("a fault of ours in learning from a call leaves nothing of it held", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    callers: [caller("ci", TOKEN, { rate: { concurrent: 1 } })],
  });
  const { learnInput } = Calibration.prototype;
  Calibration.prototype.learnInput = () => {
    throw new TypeError("planted");
  };
  try {
    for (const turn of [1, 2]) {
      const { status, text } = await call(gateway.url, "openai-chat");
      assert.equal(status, 200, `call ${turn}: ${text}`);
    }
    assert(gateway.logs.some((line) => line.includes("Cannot learn from a call")));
  } finally {
    Calibration.prototype.learnInput = learnInput;
  }
});

/** What the provider says it bills, and what its row says in nano-USD. */
const BILLS: readonly [
  usage: Record<string, unknown>,
  input: unknown,
  output: unknown,
  total: unknown,
][] = [
  [{ cost: 0.00014 }, null, null, 140_000],
  [
    { cost: { input_tokens_cost: 1e-6, output_tokens_cost: 2e-6, total_cost: 0.005003 } },
    1_000,
    2_000,
    5_003_000,
  ],
  [{ cost_in_usd_ticks: 37_756_000 }, null, null, 3_775_600],
  [{ cost: "0.1" }, null, null, null],
  [{ cost: -1 }, null, null, null],
  [{ cost: 1e300 }, null, null, null],
  [{}, null, null, null],
];

Deno.test("a count of tokens that no reply can have is not believed", async () => {
  const lie = Number.MAX_SAFE_INTEGER;
  const said = JSON.parse(new TextDecoder().decode(await sampleReply("openai-chat")));
  const usage = { prompt_tokens: lie, completion_tokens: 3, total_tokens: lie };
  await using upstream = await startUpstream(reply({ ...said, usage }));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    callers: [caller("ci", TOKEN, { quota: { day: { tokens: 1_000_000 } } })],
  });
  for (const _ of [1, 2]) assert.equal((await call(gateway.url, "openai-chat")).status, 200);
  const rows = await gateway.usageRows();
  assert.deepEqual(rows.map((row) => row["usage_source"]), ["estimated", "estimated"]);
  assert(rows.every((row) => row["input_tokens"] < 1_000 && row["output_tokens"] === 3));
  const headers = { authorization: `Bearer ${TOKEN}` };
  const told: Loose = await (await fetch(`${gateway.url}/v1/usage`, { headers })).json();
  assert.equal(told["usage"].day.requests, 2);
  assert(told["quota"].day.tokens.used < 2_000);
});

Deno.test("what a provider bills is stored apart from what the catalog says", async () => {
  await using upstream = await startUpstream();
  await using gateway = await startTestGateway({ upstreams: [upstream.url] });
  let ordinal = 0;
  for (const stream of [false, true]) {
    for (const [extra, ...expected] of BILLS) {
      const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, ...extra };
      const choice = { index: 0, finish_reason: "stop" };
      const message = { role: "assistant", content: "Hello" };
      const body = { id: "c1", model: "up-1", created: 1, usage };
      upstream.script(
        stream
          ? sse(
            `data: ${JSON.stringify({ ...body, choices: [{ ...choice, delta: message }] })}\n\n` +
              "data: [DONE]\n\n",
          )
          : reply({ ...body, object: "chat.completion", choices: [{ ...choice, message }] }),
      );
      const answer = await call(gateway.url, "openai-chat", { body: { stream } });
      assert.equal(answer.status, 200, answer.text);
      const row = (await gateway.settled(ordinal += 1)).at(-1)!;
      const billed = ["input", "output", "total"]
        .map((name) => row[`upstream_reported_${name}_cost_nusd`] ?? null);
      assert.deepEqual(billed, expected, JSON.stringify({ stream, extra }));
      assert.deepEqual([row["input_tokens"], row["output_tokens"]], [10, 5]);
    }
  }
});

Deno.test("a fault of ours in reading a reply is no fault of its provider", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({ upstreams: [upstream.url, upstream.url] });
  const chat = dialects.get("openai-chat");
  const { readReply } = chat;
  const plant = (value: typeof readReply) => Object.defineProperty(chat, "readReply", { value });
  plant(() => {
    throw new TypeError("planted");
  });
  try {
    for (let ordinal = 1; ordinal <= 10; ordinal++) {
      const answer = await call(gateway.url, "openai-chat");
      assert.equal(answer.status, 500, answer.text);
      assert.match(answer.text, /internal-error/);
      const row = (await gateway.settled(ordinal)).at(-1)!;
      assert.deepEqual([row["error"], row["attempts"]], ["internal-error", 1]);
      assert.equal(row["request_attempts"][0].outcome, "internal_error");
    }
  } finally {
    plant(readReply);
  }
  assert(gateway.logs.every((line) => !line.includes("breaker_opened")));
  const answer = await call(gateway.url, "openai-chat");
  assert.deepEqual([answer.status, answer.headers.get("x-router-attempts")], [200, "1"]);
});
