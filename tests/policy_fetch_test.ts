import assert from "node:assert/strict";
import { createDeadlines } from "@/core/deadlines.ts";
import type { ResolveHost } from "@/core/egress_client.ts";
import type { ScriptHttpSettings } from "@/core/policy_settings.ts";
import { GrantedFetch } from "@/policies/sandbox/granted_fetch.ts";
import { policyCode, startHost } from "./policy_support.ts";
import { hang, html, oversized, redirect, reply, startUpstream } from "./upstream.ts";

const HTTP: ScriptHttpSettings = {
  timeoutMs: 2_000,
  maxResponseBytes: 1_000,
  allowHttp: false,
  headers: { authorization: "Bearer hidden" },
};

/** What a policy that asks this comes to, with these grants; `name` gives what it throws. */
async function decide(
  ask: string,
  { net, http = HTTP, resolve }: {
    readonly net: readonly string[];
    readonly http?: ScriptHttpSettings;
    readonly resolve?: ResolveHost;
  },
) {
  const body = `return (async () => { ${ask} })();`;
  const traces = true;
  await using test = await startHost(policyCode(body), {
    fetches: net.length > 0,
    timeoutMs: 500,
    traces,
  });
  assert.equal(test.refused, null);
  const deadlines = createDeadlines(() => performance.now());
  using granted = net.length > 0 ? new GrantedFetch(net, http, { deadlines, resolve }) : null;
  const answer = await test.host.decide(JSON.stringify({ now: 1_000, seed: 42 }), granted);
  if (answer.kind === "plan") return JSON.parse(answer.text);
  return answer.kind === "fault" ? answer.fault : answer.kind;
}

const placeOf = (url: string) => new URL(url).host;

const CAUGHT = (url: string, init = "{}") =>
  `try { return { answer: await router.fetchJSON("${url}", ${init}) } }
   catch (error) { return { error: error.message } }`;

Deno.test("policy asks a granted server, and decides on its answer", async () => {
  await using server = await startUpstream(reply({ score: 7 }));
  const plan = await decide(
    `const before = [Math.random(), Date.now()];
     const { ok, status, body } = await router.fetchJSON("${server.url}/score", {
       method: "POST", headers: { "X-Model": "m1" }, body: { a: 1 } });
     return { ok, status, score: body.score, draws: [...before, Math.random(), Date.now()] };`,
    { net: [placeOf(server.url)] },
  );
  assert.deepEqual(plan, {
    ok: true,
    status: 200,
    score: 7,
    draws: [0.6011037519201636, 1_000, 0.44829055899754167, 1_000],
  });
  const [seen] = server.requests;
  assert.equal(`${seen?.method} ${seen?.path}`, "POST /score");
  assert.deepEqual(seen?.json(), { a: 1 });
  assert.equal(seen?.headers.get("x-model"), "m1");
  assert.equal(seen?.headers.get("authorization"), "Bearer hidden");
});

Deno.test("policy without a grant has no way to ask", async () => {
  assert.deepEqual(await decide("return { kind: typeof router };", { net: [] }), {
    kind: "undefined",
  });
});

Deno.test("policy asks side by side and one after the other, four times at most", async () => {
  await using server = await startUpstream(reply({ n: 1 }));
  const plan = await decide(
    `const ask = () => router.fetchJSON("${server.url}/");
     const both = await Promise.all([ask(), ask()]);
     const more = [await ask(), await ask()];
     try { await ask() } catch (error) {
       return { count: both.length + more.length, error: error.message } }`,
    { net: [placeOf(server.url)] },
  );
  assert.deepEqual(plan, { count: 4, error: "policy-fetch-denied" });
  assert.equal(server.requests.length, 4);
});

Deno.test("policy is denied what is not granted: host, port, scheme, header, method, redirect", async () => {
  await using server = await startUpstream(redirect("http://127.0.0.1:1/"));
  await using other = await startUpstream(reply({}));
  const net = [placeOf(server.url), "features.example:80"];
  const resolve = () => Promise.resolve(["93.184.216.34"]);
  const asked = [
    [other.url],
    [server.url.replace("127.0.0.1", "localhost")],
    ["http://features.example/"],
    ["https://features.example/"],
    ["file:///etc/passwd"],
    [server.url.replace("//", "//user@")],
    [server.url, '{ headers: { cookie: "a=b" } }'],
    [server.url, '{ headers: { "x-a": "line\\nbreak" } }'],
    [server.url, '{ headers: { "x-a b": "1" } }'],
    [server.url, '{ headers: { "x-ä": "1" } }'],
    [server.url, '{ method: "DELETE" }'],
    [server.url],
  ] as const;
  for (const [url, init] of asked) {
    const plan = await decide(CAUGHT(url, init), { net, resolve });
    assert.deepEqual(plan, { error: "policy-fetch-denied" }, `${url} ${init}`);
  }
  assert.equal(server.requests.length, 1, "the redirect");
  assert.equal(other.connections, 0);
  const uncaught = await decide(`await router.fetchJSON("${other.url}"); return {}`, { net });
  assert.equal(uncaught, "policy-fetch-denied");
});

Deno.test("granted name that leads into a private network is denied, at each connection", async () => {
  await using server = await startUpstream(reply({}, { framing: "close" }));
  const { port } = new URL(server.url);
  const answers = [["127.0.0.1"], ["10.0.0.1"]];
  const plan = await decide(
    `const first = await router.fetchJSON("http://features.example:${port}/");
     try { await router.fetchJSON("http://features.example:${port}/") }
     catch (error) { return { ok: first.ok, error: error.message } }`,
    {
      net: [`features.example:${port}`],
      resolve: () => Promise.resolve(answers.shift() ?? []),
    },
  );
  assert.deepEqual(plan, { ok: true, error: "policy-fetch-denied" });
  assert.equal(server.requests.length, 1);
});

Deno.test("request of a policy that fails is told to it, and no more than its limits is read", async () => {
  await using server = await startUpstream(html());
  const net = [placeOf(server.url)];
  const page = await decide(CAUGHT(server.url), { net });
  assert.deepEqual(page, { answer: { ok: true, status: 200, body: null } });
  server.script(reply({ error: 1 }, { status: 503 }));
  assert.deepEqual(await decide(CAUGHT(server.url), { net }), {
    answer: { ok: false, status: 503, body: { error: 1 } },
  });
  const failed = { error: "policy-fetch-failed" };
  server.script(oversized(1 << 20));
  assert.deepEqual(await decide(CAUGHT(server.url), { net }), failed);
  server.script(hang());
  const http = { ...HTTP, timeoutMs: 50 };
  assert.deepEqual(await decide(CAUGHT(server.url), { net, http }), failed);
});

Deno.test("decisions that wait do not mix with others, nor with those that come meanwhile", async () => {
  await using server = await startUpstream(reply({ n: 1 }));
  const code = policyCode(`
    if (!ctx.asks) return { draw: Math.random(), now: Date.now() };
    return (async () => {
      const first = Math.random();
      await router.fetchJSON("${server.url}/" + ctx.seed);
      return { first, draw: Math.random(), now: Date.now() };
    })();`);
  await using test = await startHost(code, { fetches: true, timeoutMs: 500 });
  const deadlines = createDeadlines(() => performance.now());
  using granted = new GrantedFetch([placeOf(server.url)], HTTP, { deadlines });
  const ask = (context: object) => test.host.decide(JSON.stringify(context), granted);
  const alone = await ask({ asks: true, now: 7, seed: 42 });
  const mixed = await Promise.all([
    ask({ asks: true, now: 7, seed: 42 }),
    ask({ asks: false, now: 8, seed: 1 }),
    ask({ asks: true, now: 9, seed: 4 }),
    ask({ asks: true, now: 7, seed: 42 }),
  ]);
  assert.deepEqual(mixed[0], alone);
  assert.deepEqual(mixed[3], alone);
  assert.notDeepEqual(mixed[2], alone);
});
