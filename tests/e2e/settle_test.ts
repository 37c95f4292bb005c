import assert from "node:assert/strict";
import { Ledger } from "@/core/limits/ledger.ts";
import { dialects } from "@/dialects/mod.ts";
import { caller, startTestGateway, TOKEN } from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { echo, startUpstream } from "../upstream.ts";

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
