import assert from "node:assert/strict";
import { caller, type Loose, startTestGateway, TOKEN } from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { call } from "../gateway_client.ts";
import { reply, sampleReply, startUpstream } from "../upstream.ts";

/** 100 tokens of text, 4 of its message and 3 of the call. */
const BASE = 107;
const MESSAGES = { messages: [{ role: "user", content: "four".repeat(100) }] };

/** A gateway before a provider that counts so many tokens of input and output. */
async function counting(input: number, { output = 5 } = {}) {
  const sample: Loose = JSON.parse(new TextDecoder().decode(await sampleReply("openai-chat")));
  const counted = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
  let told: Loose = { ...sample, usage: counted };
  const upstream = await startUpstream((exchange) => reply(told)(exchange));
  const gateway = await startTestGateway({
    upstreams: [upstream.url],
    callers: [caller("ci", TOKEN, { rate: { tpm: 100_000 } })],
  });
  return {
    gateway,
    say(changed: Loose) {
      told = { ...sample, ...changed };
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** The tokens that are reserved for the input of a call. */
async function reserved(url: string): Promise<number> {
  const output = 1_000_000;
  const answer = await call(url, "openai-chat", { body: { ...MESSAGES, max_tokens: output } });
  return assertError("openai-chat", answer, "tpm-exceeded").details.needed - output;
}

async function signals(url: string): Promise<Loose> {
  const answer = await call(url, "openai-chat", { path: "/v1/route/explain", body: MESSAGES });
  return answer.json().eligible[0].signals;
}

async function counted(url: string): Promise<number> {
  const path = "/v1/messages/count_tokens";
  const answer = await call(url, "anthropic", { path, body: MESSAGES });
  return answer.json().input_tokens;
}

Deno.test("gateway learns from reported usage what to reserve, to count and to tell policies", async () => {
  await using place = await counting(Math.round(1.5 * BASE));
  const { url } = place.gateway;
  assert.equal(await reserved(url), Math.ceil(BASE * 1.25));
  assert.equal(await counted(url), BASE);
  assert.equal((await signals(url)).inputTokenRatio, null);
  for (let count = 0; count < 10; count++) {
    assert.equal((await call(url, "openai-chat", { body: MESSAGES })).status, 200);
  }
  const ratio = Math.round(1.5 * BASE) / BASE;
  assert.equal((await signals(url)).inputTokenRatio, Math.round(ratio * 10_000) / 10_000);
  assert.equal(await counted(url), Math.ceil(BASE * ratio));
  assert.equal(await reserved(url), Math.ceil(BASE * ratio * 1.15));
});

Deno.test("what a provider does not report is settled by what was learned of it", async () => {
  await using place = await counting(2 * BASE, { output: 50 });
  const { url } = place.gateway;
  const said = (content: string, usage?: Loose) =>
    place.say({
      choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
      usage,
    });
  said("x".repeat(100), { prompt_tokens: 2 * BASE, completion_tokens: 50, total_tokens: 1 });
  await call(url, "openai-chat", { body: MESSAGES });
  said("x".repeat(60));
  await call(url, "openai-chat", { body: MESSAGES });
  const row = (await place.gateway.settled(2))[1];
  assert.deepEqual(
    [row?.["usage_source"], row?.["input_tokens"], row?.["output_tokens"]],
    ["estimated", 2 * BASE, 30],
    "2 tokens for an estimated one, and 2 bytes of content for a token",
  );
});
