import assert from "node:assert/strict";
import { journalRows, TOKEN } from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { call } from "../gateway_client.ts";
import { ECHO } from "../gateway_config.ts";
import { type GatewayProcess, makeFolder, spawnGateway } from "../gateway_process.ts";
import { connectRaw, requestHead } from "../gateway_raw.ts";
import { until } from "../until.ts";
import { hang, startUpstream } from "../upstream.ts";

/** A gateway with a group whose policy's server never answers; `work` stops it. */
async function stopping(
  work: (gateway: GatewayProcess, isAsked: () => boolean) => Promise<void>,
): Promise<void> {
  await using policy = await startUpstream(hang());
  const group = {
    ...ECHO.group,
    strategy: "external",
    base_strategy: "failover",
    external_policy: { url: policy.url, allow_hosts: ["127.0.0.1"], timeout_ms: 5_000 },
  };
  const server = { shutdown_grace_ms: 200 };
  await using folder = await makeFolder({ ...ECHO, group, server });
  await using gateway = await spawnGateway(folder.dir);
  await work(gateway, () => policy.requests.length > 0);
  assert.equal(await gateway.ended, 0);
  assert.deepEqual(journalRows(folder.dir), [], "an explanation is no call");
}

Deno.test("explain that waits for the server of a policy is told when the gateway stops", () =>
  stopping(async (gateway, isAsked) => {
    const path = "/v1/route/explain?call_policy=true";
    const answer = call(gateway.url, "openai-chat", { path });
    await until(isAsked);
    gateway.kill("SIGTERM");
    assertError("openai-chat", await answer, "shutting-down");
  }));

Deno.test("explain whose body is on the way is told when the gateway stops", () =>
  stopping(async (gateway) => {
    using connection = await connectRaw(gateway.url);
    const headers = { "x-api-key": TOKEN, "content-length": "1000" };
    await connection.write(requestHead("POST /v1/route/explain", headers) + '{"model":');
    // Its turn has come when that of a later request has.
    await (await fetch(`${gateway.url}/healthz`)).body?.cancel();
    gateway.kill("SIGTERM");
    assert.match(await connection.rest(), /^HTTP\/1\.1 503 [^]*"type":"shutting-down"/);
  }));
