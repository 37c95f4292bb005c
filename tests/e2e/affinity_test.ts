import assert from "node:assert/strict";
import {
  caller,
  type ConfigOptions,
  type ConfigTree,
  type Loose,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { echo, errorReply, startUpstream, type TestUpstream } from "../upstream.ts";

const CHAT = "openai-chat";
const OTHER_TOKEN = "rtr_pointsman_ci_other_test_k20261120_0123456789abcdefghijABCDEFGHIJ";
const SESSIONS = Array.from({ length: 12 }, (_, at) => `session-${at}`);

/** Two targets of equal weight, so that only a pin, or a seed, keeps a conversation in its place. */
function options(upstream: TestUpstream, group: ConfigTree = {}): ConfigOptions {
  return {
    upstreams: [upstream.url, upstream.url],
    server: { conversation_salt: "pepper" },
    group: { strategy: "weighted", affinity: { enabled: true }, ...group },
    callers: [caller("ci", TOKEN), caller("other", OTHER_TOKEN)],
  };
}

/** The model that served a call of a conversation. */
async function served(gateway: TestGateway, session: string, token = TOKEN): Promise<string> {
  const headers = { "x-router-session": session, authorization: `Bearer ${token}` };
  const answer = await call(gateway.url, CHAT, { headers });
  assert.equal(answer.status, 200, answer.text);
  return answer.headers.get("x-router-model") ?? "";
}

async function explained(gateway: TestGateway, session: string): Promise<Loose> {
  const headers = { "x-router-session": session };
  return (await call(gateway.url, CHAT, { path: "/v1/route/explain", headers })).json();
}

const pinStates = (gateway: TestGateway) => gateway.rows().map(({ pin_state }) => pin_state);

Deno.test("a conversation stays with the target that served it, each caller's for itself", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway(options(upstream));
  const first = new Map<string, string>();
  for (const session of SESSIONS) first.set(session, await served(gateway, session));
  assert.equal(new Set(first.values()).size, 2, "conversations are spread");
  for (const session of SESSIONS) {
    assert.equal(await served(gateway, session), first.get(session));
  }
  const others: string[] = [];
  for (const session of SESSIONS) others.push(await served(gateway, session, OTHER_TOKEN));
  assert.notDeepEqual(others, [...first.values()], "another caller has other conversations");
  const states = pinStates(gateway);
  assert.deepEqual(new Set(states.slice(0, 12)), new Set(["miss"]));
  assert.deepEqual(new Set(states.slice(12, 24)), new Set(["hit"]));
  assert.deepEqual(new Set(states.slice(24)), new Set(["miss"]));
});

Deno.test("a conversation is pinned anew to the target it fell back to, also by a stream", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway(options(upstream));
  for (const stream of [false, true]) {
    const session = `fails-${stream}`;
    const first = await served(gateway, session);
    const second = first === "up-1" ? "up-2" : "up-1";
    upstream.script({ [first]: errorReply(CHAT, 503), "*": echo("echo") });
    const headers = { "x-router-session": session };
    const answer = await call(gateway.url, CHAT, { headers, stream });
    assert.equal(answer.status, 200, answer.text);
    upstream.script(echo("echo"));
    assert.equal(await served(gateway, session), second);
    assert.equal(await served(gateway, session), second);
  }
});

Deno.test("a pin whose target fails now, or cannot take the request, steps aside", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    ...options(upstream, { breaker: { consecutive_failures: 1, open_ms: 600_000 } }),
    targets: [{ input_modalities: ["text"] }, {}],
  });
  const session = (await sessionsOf(gateway, "up-1"))[0]!;
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } };
  const headers = { "x-router-session": session };
  const content = [{ type: "text", text: "What is it?" }, image];
  const body = { messages: [{ role: "user", content }] };
  const seen = await call(gateway.url, CHAT, { headers, body });
  assert.equal(seen.headers.get("x-router-model"), "up-2");
  assert.equal(gateway.rows().at(-1)!["pin_state"], "ineligible");

  const next = (await sessionsOf(gateway, "up-1"))[0]!;
  const another = (await sessionsOf(gateway, "up-1"))[1]!;
  upstream.script({ "up-1": errorReply(CHAT, 503), "*": echo("echo") });
  assert.equal(await served(gateway, another), "up-2");
  const { conversation, passes } = await explained(gateway, next);
  assert.equal(conversation.pin, "deferred");
  assert.deepEqual(passes.map(({ pass }: Loose) => pass), ["strategy", "pin", "availability"]);
  assert.deepEqual(passes[1].order.toReversed(), passes[2].order);
  assert.equal(await served(gateway, next), "up-2");
  assert.equal(gateway.rows().at(-1)!["pin_state"], "deferred");
});

/** Conversations that are pinned to a model. */
async function sessionsOf(gateway: TestGateway, model: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const session of SESSIONS) {
    if (await served(gateway, session) === model) found.push(session);
  }
  assert(found.length > 0);
  return found;
}

Deno.test("explain shows a pin and leaves it as it is; without enforce a pin moves nothing", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway(options(upstream));
  const session = (await sessionsOf(gateway, "up-2"))[0]!;
  const before = await explained(gateway, "never seen");
  assert.equal(before["conversation"].pin, "miss");
  assert.equal((await explained(gateway, "never seen"))["conversation"].pin, "miss");
  const { conversation, passes } = await explained(gateway, session);
  assert.equal(conversation.pin, "hit");
  assert.deepEqual(passes.map(({ pass }: Loose) => pass), ["strategy", "pin", "availability"]);
  const all = options(upstream, {
    strategy: "failover",
    affinity: { enabled: true, enforce: false },
  });
  assert(await gateway.reload(all));
  const seen = await explained(gateway, session);
  assert.equal(seen["conversation"].pin, "hit");
  assert.deepEqual(seen["passes"].map(({ pass }: Loose) => pass), ["strategy", "availability"]);
  assert.equal(await served(gateway, session), "up-1", "the strategy decides");
});

Deno.test("two processes draw alike for a conversation that neither has seen", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using one = await startTestGateway(options(upstream));
  await using two = await startTestGateway(options(upstream));
  for (const session of SESSIONS) {
    assert.equal(await served(one, session), await served(two, session), session);
  }
});
