import assert from "node:assert/strict";
import { DIALECT_NAMES } from "@/core/dialect_name.ts";
import {
  after,
  type Behaviour,
  CALL_PATHS,
  closedPort,
  echo,
  empty,
  errorEvent,
  errorFrame,
  errorReply,
  firstFrames,
  framesOf,
  gzip,
  hang,
  html,
  noAnswer,
  oversized,
  partial,
  redirect,
  reply,
  sampleReply,
  sampleRequest,
  sse,
  startUpstream,
} from "./upstream.ts";

function post(url: string, body: unknown = {}, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify(body),
    redirect: "manual",
    ...(signal ? { signal } : {}),
  });
}

/** What a behaviour puts on the wire, and how the connection ends. */
async function rawAnswer(behaviour: Behaviour): Promise<{ text: string; end: "fin" | "rst" }> {
  await using upstream = await startUpstream(behaviour);
  using socket = await Deno.connect({ port: Number(new URL(upstream.url).port) });
  const request = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
  await socket.write(new TextEncoder().encode(request));
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  try {
    for (;;) {
      const read = await socket.read(buffer);
      if (read === null) return { text, end: "fin" };
      text += decoder.decode(buffer.subarray(0, read), { stream: true });
    }
  } catch (error) {
    assert(error instanceof Deno.errors.ConnectionReset);
    return { text, end: "rst" };
  }
}

Deno.test("upstream records method, path, headers and the exact bytes of a request", async () => {
  await using upstream = await startUpstream(reply({ ok: true }));
  const body = new Uint8Array([123, 0, 255, 10, 13, 125]);
  const response = await fetch(`${upstream.url}/base/responses?beta=true`, {
    method: "POST",
    headers: { "x-probe": "yes" },
    body,
  });
  assert.deepEqual(await response.json(), { ok: true });
  const seen = await upstream.request(1);
  assert.equal(seen.method, "POST");
  assert.equal(seen.path, "/base/responses?beta=true");
  assert.equal(seen.headers.get("x-probe"), "yes");
  assert.deepEqual(seen.body, body);
  assert.equal(await seen.ended, "sent");
  assert.equal(seen.aborted, false);
});

Deno.test("upstream reads a chunked request body", async () => {
  await using upstream = await startUpstream(reply({}));
  const body = new Blob(['{"a":', "1}"]).stream();
  await (await fetch(upstream.url, { method: "POST", body })).body?.cancel();
  assert.deepEqual((await upstream.request(1)).json(), { a: 1 });
});

for (const dialect of DIALECT_NAMES) {
  Deno.test(`upstream answers ${dialect} as the echo does when nobody scripts it`, async () => {
    await using upstream = await startUpstream();
    for (const stream of [false, true]) {
      const response = await fetch(`${upstream.url}/v1${CALL_PATHS[dialect]}`, {
        method: "POST",
        body: JSON.stringify(sampleRequest(dialect, { stream })),
      });
      const ours = /"(created|created_at|completed_at)":\d+/g;
      const expected = new TextDecoder().decode(await sampleReply(dialect, { stream }));
      assert.equal((await response.text()).replace(ours, ""), expected.replace(ours, ""));
    }
  });

  Deno.test(`upstream reports an error in a ${dialect} stream after whole frames`, async () => {
    const opening = firstFrames(await sampleReply(dialect, { stream: true }), 3);
    await using upstream = await startUpstream(errorEvent(dialect, opening));
    const text = await (await post(upstream.url)).text();
    assert.equal(text, opening + errorFrame(dialect));
  });

  Deno.test(`upstream answers an error of ${dialect} with its status and retry-after`, async () => {
    const behaviour = errorReply(dialect, 429, { retryAfter: "7", code: "rate_limit" });
    await using upstream = await startUpstream(behaviour);
    const response = await post(upstream.url);
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("retry-after"), "7");
    assert.equal((await response.json()).error.type, "rate_limit");
  });
}

Deno.test("upstream keeps a connection for the next request", async () => {
  await using upstream = await startUpstream([
    reply("{}"),
    reply("{}", { framing: "length" }),
    sse("data: {}\n\n", { chunkBytes: 1 }),
    empty(),
  ]);
  for (let index = 0; index < 5; index += 1) await (await post(upstream.url)).text();
  assert.equal(upstream.connections, 1);
  assert.deepEqual(upstream.requests.map((seen) => seen.connection), [1, 1, 1, 1, 1]);
});

Deno.test("upstream closes the connection of a body without a length", async () => {
  await using upstream = await startUpstream(reply("{}", { framing: "close" }));
  for (let index = 0; index < 2; index += 1) {
    assert.equal(await (await post(upstream.url)).text(), "{}");
  }
  assert.equal(upstream.connections, 2);
});

Deno.test("upstream plays behaviours in turn, and the last one stays", async () => {
  await using upstream = await startUpstream([html(503), reply("1"), reply("2")]);
  const texts: string[] = [];
  for (let index = 0; index < 4; index += 1) texts.push(await (await post(upstream.url)).text());
  assert.match(texts[0]!, /^<!doctype html>/);
  assert.deepEqual(texts.slice(1), ["1", "2", "2"]);
});

Deno.test("upstream picks behaviours by the model of the body", async () => {
  await using upstream = await startUpstream();
  upstream.script({ "up-1": [reply("a"), reply("b")], "*": reply("other") });
  const ask = async (model: string) => (await post(upstream.url, { model })).text();
  assert.equal(await ask("up-1"), "a");
  assert.equal(await ask("up-2"), "other");
  assert.equal(await ask("up-1"), "b");
});

Deno.test("closed port refuses connections", async () => {
  await assert.rejects(post(await closedPort()), TypeError);
});

Deno.test("upstream resets a connection before it answers", async () => {
  assert.deepEqual(await rawAnswer(noAnswer("reset")), { text: "", end: "rst" });
});

Deno.test("upstream closes a connection before it answers", async () => {
  assert.deepEqual(await rawAnswer(noAnswer("close")), { text: "", end: "fin" });
});

Deno.test("upstream resets a connection after its headers", async () => {
  const { text, end } = await rawAnswer(partial("", "reset"));
  assert.match(text, /^HTTP\/1.1 200 .*\r\n\r\n$/s);
  assert.equal(end, "rst");
});

Deno.test("upstream resets or closes a connection inside a frame", async () => {
  const half = firstFrames(await sampleReply("anthropic", { stream: true }), 2, { half: true });
  for (const how of ["reset", "close"] as const) {
    const { text, end } = await rawAnswer(partial(half, how));
    assert(text.endsWith(`${half}\r\n`), "nothing stands after the half frame, no last chunk");
    assert.equal(end, how === "reset" ? "rst" : "fin");
  }
});

Deno.test("upstream goes silent inside a frame until the client leaves", async () => {
  await using upstream = await startUpstream(partial('data: {"hal', "silence"));
  const client = new AbortController();
  const response = await post(upstream.url, {}, client.signal);
  const reader = response.body!.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), 'data: {"hal');
  const seen = await upstream.request(1);
  assert.equal(seen.aborted, false);
  const read = reader.read();
  client.abort();
  await assert.rejects(read);
  assert.equal(await seen.ended, "aborted");
  assert(seen.abortedAt! >= seen.receivedAt);
});

Deno.test("upstream that hangs sees its client leave", async () => {
  await using upstream = await startUpstream(hang());
  const client = new AbortController();
  const answer = post(upstream.url, {}, client.signal);
  const seen = await upstream.request(1);
  client.abort();
  await assert.rejects(answer);
  assert.equal(await seen.ended, "aborted");
});

Deno.test("upstream answers 200 with nothing, and 200 with a page", async () => {
  await using upstream = await startUpstream([empty("text/event-stream"), html()]);
  const nothing = await post(upstream.url);
  assert.equal(nothing.status, 200);
  assert.equal(nothing.headers.get("content-type"), "text/event-stream");
  assert.equal(await nothing.text(), "");
  const page = await post(upstream.url);
  assert.equal(page.headers.get("content-type"), "text/html");
  assert.match(await page.text(), /<h1>/);
});

Deno.test("upstream waits for the test before its first byte", async () => {
  const go = Promise.withResolvers<void>();
  await using upstream = await startUpstream(after(go.promise, reply("late")));
  const answer = post(upstream.url);
  await upstream.request(1);
  go.resolve();
  assert.equal(await (await answer).text(), "late");
});

Deno.test("upstream waits a time before its first byte", async () => {
  await using upstream = await startUpstream(after(30, reply("late")));
  const start = performance.now();
  assert.equal(await (await post(upstream.url)).text(), "late");
  assert(performance.now() - start >= 29);
});

Deno.test("upstream redirects", async () => {
  await using upstream = await startUpstream(redirect("http://elsewhere.invalid/"));
  const response = await post(upstream.url);
  assert.equal(response.status, 302);
  assert.equal(response.headers.get("location"), "http://elsewhere.invalid/");
  await response.body?.cancel();
});

Deno.test("upstream compresses a body unasked", async () => {
  const { text } = await rawAnswer(gzip({ a: 1 }, { framing: "close" }));
  assert.match(text, /content-encoding: gzip/);
  await using upstream = await startUpstream(gzip({ a: 1 }));
  assert.deepEqual(await (await post(upstream.url)).json(), { a: 1 });
});

Deno.test("upstream sends more than anyone asked for", async () => {
  await using upstream = await startUpstream(oversized(1_000_000));
  assert((await (await post(upstream.url)).text()).length > 1_000_000);
});

Deno.test("upstream stops making an oversized body when its client leaves", async () => {
  await using upstream = await startUpstream(oversized(10_000_000_000));
  const response = await post(upstream.url);
  await response.body!.cancel();
  assert.equal(await (await upstream.request(1)).ended, "aborted");
});

Deno.test("upstream delivers a body in pieces of the chosen size", async () => {
  const { text } = await rawAnswer(async (exchange) => {
    await sse("data: é\n\n", { chunkBytes: 1 })(exchange);
    exchange.close();
  });
  assert.equal(text.match(/(^|\r\n)1\r\n/g)?.length, "data: é\n\n".length + 1);
});

Deno.test("upstream breaks off where a scripted model of the echo does", async () => {
  await using upstream = await startUpstream(echo("echo-drop-mid-stream"));
  const response = await post(upstream.url, sampleRequest("openai-chat", { stream: true }));
  await assert.rejects(response.text());
  assert.equal(await (await upstream.request(1)).ended, "broken");
});

Deno.test("frames of a sample join to the sample", async () => {
  const stream = await sampleReply("openai-responses", { stream: true });
  assert.equal(framesOf(stream).join(""), new TextDecoder().decode(stream));
});
