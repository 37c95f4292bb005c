import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { DialectName } from "@/core/dialect_name.ts";
import { wait } from "@/core/wait.ts";
import {
  CALL_PATH,
  caller,
  type ConfigTree,
  DIALECTS,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import { call, readAnswer, send } from "../gateway_client.ts";
import { connectRaw, requestHead } from "../gateway_raw.ts";
import {
  type Behaviour,
  echo,
  errorReply,
  firstFrames,
  hang,
  partial,
  sampleReply,
  sampleRequest,
  startUpstream,
  type TestUpstream,
} from "../upstream.ts";
import { flood, upToContent } from "./behaviours.ts";

/** The law says 100 ms; a machine that does other things too may take longer. */
const QUICKLY_MS = 400;

async function inGateway(
  script: Behaviour,
  body: (gateway: TestGateway, upstream: TestUpstream) => Promise<void>,
  group: ConfigTree = {},
): Promise<void> {
  await using upstream = await startUpstream(script);
  await using gateway = await startTestGateway({ upstreams: [upstream.url], group });
  await body(gateway, upstream);
}

/** When a caller leaves, and what its row says of it. */
async function departures(dialect: DialectName) {
  const stream = await sampleReply(dialect, { stream: true });
  const json = { contentType: "application/json" };
  const free = { partial: 0, usage_source: "none", output_tokens: 0 };
  return [
    { name: "before an answer", streams: false, script: hang(), until: null, row: free },
    {
      name: "inside an answer",
      streams: false,
      script: partial('{"id":', "silence", json),
      until: null,
      row: free,
    },
    { name: "before a stream", streams: true, script: hang(), until: null, row: free },
    {
      name: "before content",
      streams: true,
      script: partial(firstFrames(stream, 1), "silence"),
      until: null,
      row: { partial: 0, output_tokens: 0 },
    },
    {
      name: "after content",
      streams: true,
      script: partial(upToContent(stream), "silence"),
      until: /hello/,
      row: { partial: 1 },
    },
  ];
}

for (const dialect of DIALECTS) {
  Deno.test(`a caller that leaves stops its ${dialect} upstream and leaves one row`, async (t) => {
    for (const { name, streams, script, until, row } of await departures(dialect)) {
      await t.step(name, () =>
        inGateway(script, async (gateway, upstream) => {
          const seen = await leave(gateway, upstream, { dialect, streams, until });
          assert.equal(await seen.request.ended, "aborted");
          const took = seen.request.abortedAt! - seen.leftAt;
          assert(took < QUICKLY_MS, `the upstream was stopped after ${took} ms`);
          const rows = await gateway.settled(1);
          assert.equal(rows.length, 1);
          const expected = { status: 499, error: "client-closed-request", attempts: 1, ...row };
          assert.deepEqual({ ...rows[0], ...expected }, rows[0]);
          const [attempt] = rows[0]!["request_attempts"];
          assert.deepEqual([attempt.outcome, attempt.client_canceled], ["client_disconnect", 1]);
          if (row.partial === 1) assert(rows[0]!["total_cost_nusd"] > 0, "content is not free");
          upstream.script(echo("echo"));
          const next = await call(gateway.url, dialect);
          assert.equal(next.status, 200);
          assert.equal((await gateway.usageRows()).length, 2);
        }));
    }
  });
}

interface Leaving {
  readonly dialect: DialectName;
  readonly streams: boolean;
  /** What the caller waits for; nothing: that its call has reached the upstream. */
  readonly until: RegExp | null;
}

/** Makes a call on a connection of its own and closes it. */
async function leave(
  gateway: TestGateway,
  upstream: TestUpstream,
  { dialect, streams, until }: Leaving,
) {
  using connection = await connectRaw(gateway.url);
  await connection.write(callText(dialect, streams));
  const request = await upstream.request(1);
  if (until) await connection.until(until);
  return { request, leftAt: performance.now() };
}

/** A whole call as it goes over the wire. */
function callText(dialect: DialectName, stream: boolean): string {
  const body = JSON.stringify(sampleRequest(dialect, { model: "fast", stream }));
  const headers = { "x-api-key": TOKEN, "content-length": String(body.length) };
  return requestHead(`POST ${CALL_PATH[dialect]}`, headers) + body;
}

Deno.test("a caller that leaves counts neither for nor against a target", async () => {
  await inGateway(hang(), async (gateway, upstream) => {
    for (let ordinal = 1; ordinal <= 8; ordinal++) {
      const stop = new AbortController();
      const sent = send(gateway.url, "openai-chat", { signal: stop.signal });
      await upstream.request(ordinal);
      stop.abort();
      await assert.rejects(sent);
      await gateway.settled(ordinal);
    }
    assert(gateway.logs.every((line) => !line.includes("breaker_opened")));
  });
});

const FRAME =
  `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,` +
  `"delta":{"content":"${"y".repeat(64_000)}"},"finish_reason":null}]}\n\n`;
const FLOOD = { frame: FRAME, count: 500, ending: "data: [DONE]\n\n" };
const IDLE_MS = 100;

/** A flood that tells how far it got. */
function meteredFlood(): { readonly behaviour: Behaviour; sent(): number } {
  let sent = 0;
  const behaviour: Behaviour = (exchange) =>
    flood(FLOOD)({
      ...exchange,
      async write(bytes) {
        await exchange.write(bytes);
        sent += bytes.length;
      },
    });
  return { behaviour, sent: () => sent };
}

/** Ends when the buffers of all sockets are full and the upstream has to wait. */
async function standsStill(sent: () => number): Promise<void> {
  for (let before = -1; before !== sent() || before === 0;) {
    before = sent();
    await wait(2 * IDLE_MS);
  }
}

Deno.test("a caller that reads slowly slows its upstream and gets its whole stream", async () => {
  const { behaviour, sent } = meteredFlood();
  await inGateway(behaviour, async (gateway) => {
    const response = await send(gateway.url, "openai-chat", { stream: true });
    // Longer than a provider may be silent: it is the caller that takes its time.
    await standsStill(sent);
    const size = FRAME.length * FLOOD.count + FLOOD.ending.length;
    assert(sent() < size / 2, `${sent()} bytes of ${size} were taken from the upstream`);
    const answer = await readAnswer(response);
    assert(answer.text.endsWith(FLOOD.ending), answer.text.slice(-300));
    assert.equal(answer.bytes.length, size);
    const [row] = await gateway.settled(1);
    assert.deepEqual([row?.["status"], row?.["error"]], [200, ""]);
  }, { stream_idle_timeout_ms: IDLE_MS });
});

Deno.test("a caller that leaves without reading stops its upstream", async () => {
  const { behaviour, sent } = meteredFlood();
  await inGateway(behaviour, async (gateway, upstream) => {
    let leftAt = 0;
    {
      using connection = await connectRaw(gateway.url);
      await connection.write(callText("openai-chat", true));
      await standsStill(sent);
      leftAt = performance.now();
    }
    const request = await upstream.request(1);
    assert.equal(await request.ended, "aborted");
    const took = request.abortedAt! - leftAt;
    assert(took < QUICKLY_MS, `the upstream was stopped after ${took} ms`);
    assert.equal((await gateway.settled(1))[0]?.["status"], 499);
  });
});

Deno.test("calls in a row share one connection to their upstream", async () => {
  await inGateway(echo("echo"), async (gateway, upstream) => {
    for (let round = 0; round < 5; round++) {
      for (const dialect of DIALECTS) {
        for (const stream of [false, true]) await call(gateway.url, dialect, { stream });
      }
    }
    assert.equal(upstream.requests.length, 30);
    assert(upstream.connections <= 2, `${upstream.connections} connections were opened`);
  });
});

Deno.test("a caller that leaves while shared counters are asked is sent nowhere else", async () => {
  await using upstream = await startUpstream();
  await using gateway = await startTestGateway({
    upstreams: [upstream.url, upstream.url],
    targets: [{}, { output_price_per_million_usd: 9 }],
    callers: [caller("ci", TOKEN, { quota: { day: { cost_usd: 1 } } })],
    server: { ledger: { shared: true } },
  });
  using counters = new DatabaseSync(join(gateway.dir, "state/router.kv"));
  const fail = errorReply("openai-chat", 500);
  upstream.script((exchange) => {
    counters.exec("BEGIN IMMEDIATE");
    return fail(exchange);
  });
  const stop = new AbortController();
  const sent = send(gateway.url, "openai-chat", { signal: stop.signal });
  await upstream.request(1);
  await wait(200);
  stop.abort();
  await assert.rejects(sent);
  await wait(100);
  counters.exec("ROLLBACK");
  const [row] = await gateway.settled(1);
  assert.equal(row?.["status"], 499);
  assert.equal(upstream.requests.length, 1);
});
