import assert from "node:assert/strict";
import { wait } from "@/core/wait.ts";
import { bridgeConfig, groupOf, PAIRS } from "../bridge_groups.ts";
import { caller, type ConfigTree, type Loose, startTestGateway, TOKEN } from "../gateway.ts";
import { type Answer, call, type CallOptions } from "../gateway_client.ts";
import { makeFolder, spawnGateway } from "../gateway_process.ts";
import { after, echo, errorReply, type Script, startUpstream } from "../upstream.ts";

const OTHER = TOKEN.replace("_ci_", "_other_");
const COLD: CallOptions = { body: { temperature: 0 } };

async function cached(
  options: { readonly cache?: ConfigTree; readonly group?: ConfigTree; readonly script?: Script } =
    {},
) {
  const upstream = await startUpstream(options.script ?? echo("echo"));
  const limits = {
    rate: { rpm: 500, tpm: 50_000, concurrent: 100 },
    quota: { day: { cost_usd: 1 } },
  };
  const gateway = await startTestGateway({
    upstreams: [upstream.url],
    server: { cache: { enabled: true, ...options.cache } },
    group: { cache: options.group ?? {} },
    callers: [caller("ci", TOKEN, limits), caller("other", OTHER)],
  });
  return {
    upstream,
    gateway,
    url: gateway.url,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const state = ({ headers }: Answer) => headers.get("x-router-cache");
const as = (token: string, options: CallOptions = COLD): CallOptions => ({
  ...options,
  headers: { authorization: `Bearer ${token}` },
});

Deno.test("equal request gets the stored bytes: no upstream, no tokens, no cost, a row with the saving", async () => {
  await using place = await cached();
  const first = await call(place.url, "openai-chat", COLD);
  const second = await call(place.url, "openai-chat", COLD);
  assert.deepEqual([state(first), state(second)], ["miss", "hit"]);
  assert.deepEqual(second.bytes, first.bytes);
  assert.notEqual(second.id, first.id);
  assert.equal(second.headers.get("age"), "0");
  assert.equal(second.headers.get("x-router-attempts"), "0");
  assert.equal(second.headers.get("x-router-model"), first.headers.get("x-router-model"));
  assert.equal(place.upstream.requests.length, 1);
  const [miss, hit] = await place.gateway.settled(2);
  assert(Number(miss?.["total_cost_nusd"]) > 0);
  assert.deepEqual(
    [hit?.["cache"], hit?.["saved_nusd"], hit?.["total_cost_nusd"], hit?.["charged_tokens"]],
    ["hit", miss?.["total_cost_nusd"], 0, 0],
  );
  assert.deepEqual(
    [
      hit?.["charged_requests"],
      hit?.["input_tokens"],
      hit?.["output_tokens"],
      hit?.["cache_items"],
    ],
    [1, miss?.["input_tokens"], miss?.["output_tokens"], 1],
  );
  const response = await fetch(`${place.url}/v1/usage`, { headers: { "x-api-key": TOKEN } });
  const { rate, quota, usage }: Loose = await response.json();
  assert.deepEqual([rate.rpm.used, rate.concurrent.used], [2, 0]);
  assert.equal(quota.day.tokens.used, miss?.["charged_tokens"]);
  assert.deepEqual([usage.day.cache_hits, usage.day.saved_usd], [
    1,
    Number(miss?.["total_cost_nusd"]) / 1e9,
  ]);
});

const PROMPT = { model: "fast", messages: [{ role: "user", content: "hello" }], temperature: 0 };

for (
  const { name, options, bypass } of [
    { name: "a stream", options: { stream: true, ...COLD }, bypass: true },
    { name: "a temperature", options: { body: { temperature: 0.5 } }, bypass: true },
    { name: "no temperature", options: {}, bypass: true },
    {
      name: "no-store",
      options: { ...COLD, headers: { "cache-control": "no-store" } },
      bypass: true,
    },
    {
      name: "a stored conversation",
      options: { body: { temperature: 0, store: true } },
      bypass: true,
    },
    {
      name: "tools",
      options: {
        body: {
          temperature: 0,
          tools: [{ type: "function", function: { name: "f", parameters: {} } }],
        },
      },
      bypass: true,
    },
    {
      name: "a response schema",
      options: { body: { temperature: 0, response_format: { type: "json_object" } } },
      bypass: true,
    },
    { name: "one more space", options: { raw: JSON.stringify(PROMPT, null, 1) }, bypass: false },
    { name: "another dialect", options: COLD, bypass: false },
  ] as const
) {
  Deno.test(`request with ${name} is not answered from the cache`, async () => {
    await using place = await cached();
    await call(place.url, "openai-chat", { raw: JSON.stringify(PROMPT) });
    await call(place.url, "openai-chat", COLD);
    const dialect = name === "another dialect" ? "openai-responses" : "openai-chat";
    for (const seen of [3, 4]) {
      const answer = await call(place.url, dialect, options);
      assert.equal(answer.status, 200);
      if (bypass || seen === 3) {
        assert.equal(state(answer), bypass ? "bypass" : "miss");
        assert.equal(place.upstream.requests.length, seen);
      }
    }
  });
}

Deno.test("no-cache asks anew and keeps what comes; metadata and user make no difference", async () => {
  await using place = await cached();
  const anew = { ...COLD, headers: { "cache-control": "no-cache" } };
  assert.equal(state(await call(place.url, "openai-chat", anew)), "bypass");
  assert.equal(state(await call(place.url, "openai-chat", COLD)), "hit");
  const body = { temperature: 0, user: "ann" };
  assert.equal(state(await call(place.url, "openai-chat", { body })), "miss", "one member more");
  const other = { temperature: 0, user: "bob" };
  assert.equal(state(await call(place.url, "openai-chat", { body: other })), "hit");
});

Deno.test("entries belong to a caller, unless the project or the group shares them", async () => {
  for (const [scope, expected] of [["caller", "miss"], ["project", "hit"], ["group", "hit"]]) {
    await using place = await cached({ cache: { scope } });
    await call(place.url, "openai-chat", as(TOKEN));
    assert.equal(state(await call(place.url, "openai-chat", as(OTHER))), expected, scope);
  }
});

Deno.test("entry ends with its time, and never outgrows its room", async () => {
  await using place = await cached({ group: { ttl: "30ms" } });
  await call(place.url, "openai-chat", COLD);
  await wait(40);
  assert.equal(state(await call(place.url, "openai-chat", COLD)), "miss");
  await using small = await cached({ cache: { max_entry_bytes: 10 } });
  await call(small.url, "openai-chat", COLD);
  assert.equal(state(await call(small.url, "openai-chat", COLD)), "miss");
});

Deno.test("failures are not kept", async () => {
  await using place = await cached({ script: [errorReply("openai-chat", 500), echo("echo")] });
  assert.equal((await call(place.url, "openai-chat", COLD)).status, 502);
  assert.equal(state(await call(place.url, "openai-chat", COLD)), "miss");
  assert.equal(state(await call(place.url, "openai-chat", COLD)), "hit");
});

Deno.test("equal calls at once are one call upstream; when it fails they go their own way", async () => {
  const go = Promise.withResolvers<void>();
  await using place = await cached({ script: after(go.promise, echo("echo")) });
  const answers = Array.from({ length: 20 }, () => call(place.url, "openai-chat", COLD));
  await place.upstream.request(1);
  setTimeout(() => go.resolve(), 100);
  const states = (await Promise.all(answers)).map(state).toSorted();
  assert.deepEqual(states, [...Array(19).fill("hit"), "miss"]);
  assert.equal(place.upstream.requests.length, 1);

  const fail = Promise.withResolvers<void>();
  await using broken = await cached({
    script: [after(fail.promise, errorReply("openai-chat", 400)), echo("echo")],
  });
  const both = [call(broken.url, "openai-chat", COLD)];
  await broken.upstream.request(1);
  both.push(call(broken.url, "openai-chat", COLD));
  setTimeout(() => fail.resolve(), 100);
  assert.deepEqual((await Promise.all(both)).map(({ status }) => status).toSorted(), [200, 502]);
});

Deno.test("second level outlives the process, encrypted, and only under its key", async () => {
  await using upstream = await startUpstream(echo("echo"));
  const second = { enabled: true };
  await using folder = await makeFolder({
    upstreams: [upstream.url],
    server: { cache: { enabled: true, second_level: second } },
  });
  const start = (key: string) => spawnGateway(folder.dir, { env: { POINTSMAN_CACHE_KEY: key } });
  const found: boolean[] = [];
  for (const key of ["a".repeat(64), "a".repeat(64), "b".repeat(64)]) {
    await using gateway = await start(key);
    // A store that is slow has nothing, so one reply alone would say little.
    const states: (string | null)[] = [];
    for (let number = 0; number < 8; number++) {
      const messages = [{ role: "user", content: `canary-7731 ${number}` }];
      states.push(
        state(await call(gateway.url, "openai-chat", { body: { temperature: 0, messages } })),
      );
    }
    found.push(states.includes("hit"));
    // The next process must find what this one wrote behind the answer.
    await wait(100);
    gateway.kill("SIGTERM");
    await gateway.ended;
  }
  assert.deepEqual(found, [false, true, false]);
  const folderOfState = `${folder.dir}/state`;
  for (const { name } of Deno.readDirSync(folderOfState)) {
    if (!name.startsWith("router.kv")) continue;
    assert(!Deno.readTextFileSync(`${folderOfState}/${name}`).includes("canary-7731"), name);
  }
});

Deno.test("reply over a bridge is kept as its caller got it", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway(
    bridgeConfig([upstream.url], { server: { cache: { enabled: true } } }),
  );
  for (const [from, to] of PAIRS) {
    const options = { body: { model: groupOf(to), temperature: 0 } };
    const first = await call(gateway.url, from, options);
    const second = await call(gateway.url, from, options);
    assert.deepEqual([state(first), state(second)], ["miss", "hit"], `${from} to ${to}`);
    assert.deepEqual(second.bytes, first.bytes);
    assert.equal(second.headers.get("content-type"), first.headers.get("content-type"));
  }
  assert.equal(upstream.requests.length, PAIRS.length);
});

Deno.test("same bytes in another dialect are another request", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway(
    bridgeConfig([upstream.url], { server: { cache: { enabled: true } } }),
  );
  const raw = JSON.stringify({
    model: groupOf("openai-chat"),
    max_tokens: 16,
    temperature: 0,
    messages: [{ role: "user", content: "Hi" }],
  });
  const headers = { "anthropic-version": "" };
  const chat = await call(gateway.url, "openai-chat", { raw, headers });
  const messages = await call(gateway.url, "anthropic", { raw, headers });
  assert.deepEqual([state(chat), state(messages)], ["miss", "miss"]);
  assert.deepEqual([chat.json()["object"], messages.json()["type"]], [
    "chat.completion",
    "message",
  ]);
});
