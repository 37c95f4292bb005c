import assert from "node:assert/strict";
import { Ledger } from "@/core/limits/ledger.ts";
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
