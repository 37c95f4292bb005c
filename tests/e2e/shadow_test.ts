import assert from "node:assert/strict";
import { type ConfigOptions, startTestGateway } from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { rowsOf } from "../recorded_rows.ts";
import { after, reply, startUpstream } from "../upstream.ts";

const CHAT = "openai-chat";
const CALLS = 6;

/** A shadow that would choose the second target, behind a server that lets it wait. */
function options(url: string, shadow: object = {}): ConfigOptions {
  return {
    upstreams: [],
    providers: { echo: { base_url: "builtin:echo", dialect: CHAT } },
    group: {
      strategy: "failover",
      targets: [
        { provider: "echo", model: "echo", id: "a" },
        { provider: "echo", model: "echo", id: "b" },
      ],
      shadow: {
        external: { url, allow_hosts: [new URL(url).hostname], timeout_ms: 5_000 },
        sample_percent: 100,
        ...shadow,
      },
    },
  };
}

Deno.test("a slow shadow delays no call, and what it would have done is told when it is known", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = await startUpstream(after(gate.promise, reply({ targetIndex: 1 })));
  await using gateway = await startTestGateway(options(server.url));
  for (let made = 0; made < CALLS; made++) {
    const answer = await call(gateway.url, CHAT);
    assert.equal(answer.headers.get("x-router-model"), "echo");
    assert.equal(answer.status, 200, "the shadow still waits");
  }
  gate.resolve();
  const rows = await rowsOf(gateway, "request_shadow_results", CALLS);
  for (const row of rows) {
    assert.deepEqual([row["same_first"], row["same_order"], row["shadow_candidate_index"]], [
      0,
      0,
      1,
    ]);
  }
  const served = gateway.rows().map(({ request_id }) => request_id).sort();
  assert.deepEqual(rows.map(({ request_id }) => request_id).sort(), served);
});

Deno.test("a shadow that falls behind is asked less, and one that fails touches nothing", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = await startUpstream(after(gate.promise, reply("no plan")));
  await using gateway = await startTestGateway(options(server.url, { max_queue: 2 }));
  for (let made = 0; made < 12; made++) {
    assert.equal((await call(gateway.url, CHAT)).status, 200);
  }
  gate.resolve();
  await server.request(6);
  assert(server.requests.length <= 7, `${server.requests.length} of 12 asked`);
});

/** More than the faults after which a policy is not asked for a while. */
const FAILING = 7;

for (
  const [kind, end] of [
    ["external", "policy-breaker-open"],
    ["script", "policy-quarantined"],
  ] as const
) {
  Deno.test(`a shadow that fails again and again is not asked for a while: ${kind}`, async () => {
    await using server = await startUpstream(reply("no plan"));
    const base = options(server.url);
    const script = { script: "throws.ts", sample_percent: 100 };
    await using gateway = await startTestGateway({
      ...base,
      group: { ...base.group, ...kind === "script" ? { shadow: script } : {} },
      files: { "throws.ts": "export const route = () => { throw 1; };" },
    });
    for (let made = 1; made <= FAILING; made++) {
      assert.equal((await call(gateway.url, CHAT)).status, 200);
      await rowsOf(gateway, "request_policy_executions", made);
    }
    const rows = await rowsOf(gateway, "request_policy_executions", FAILING);
    assert.equal(rows.filter(({ error_class }) => error_class === end).length, FAILING - 5);
    if (kind === "external") assert.equal(server.requests.length, 5);
  });
}

/** What a group says of a policy beside it that is to see the words. */
const SEEING = [
  ["shadow.external", (policy: object) => ({ shadow: { external: policy, sample_percent: 100 } })],
  ["a policy whose mode is shadow", (policy: object) => ({
    strategy: "external",
    base_strategy: "failover",
    external_policy: { ...policy, mode: "shadow" },
    shadow: undefined,
  })],
] as const;

for (const [what, keysOf] of SEEING) {
  Deno.test(`${what} with include_request sees what it would decide about`, async () => {
    await using server = await startUpstream(reply({ targetIndex: 1 }));
    const base = options(server.url);
    const external = {
      url: server.url,
      allow_hosts: [new URL(server.url).hostname],
      include_request: true,
    };
    await using gateway = await startTestGateway({
      ...base,
      group: { ...base.group, ...keysOf(external) },
    });
    const body = { messages: [{ role: "user", content: "The shadow reads this" }] };
    assert.equal((await call(gateway.url, CHAT, { body })).status, 200);
    const { text } = (await server.request(1)).json();
    assert.match(String(text), /The shadow reads this/);
  });
}
