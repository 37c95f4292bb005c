import assert from "node:assert/strict";
import type { JsonObject } from "@/core/json.ts";
import { registry } from "@/core/registry.ts";
import type { BuiltinUpstream } from "@/core/upstream.ts";
import { wait } from "@/core/wait.ts";
import { sumOf } from "../exposition.ts";
import { caller, type ConfigOptions, startTestGateway, TOKEN } from "../gateway.ts";
import { call, metricsOf } from "../gateway_client.ts";
import { CHAT, hedge, outcomes } from "./hedged_calls.ts";

type Answer = (response: Response) => void;

/** An upstream in this process whose answers a test gives, each in a moment of its choice. */
function heldUpstream() {
  const held: Answer[] = [];
  let arrival = Promise.withResolvers<void>();
  const upstream: BuiltinUpstream = {
    name: "held",
    serves: () => true,
    fetch: (_, { signal }) =>
      new Promise((answer, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        held.push(answer);
        arrival.resolve();
        arrival = Promise.withResolvers();
      }),
  };
  return {
    upstream,
    async next(count: number): Promise<readonly Answer[]> {
      while (held.length < count) await arrival.promise;
      return held.splice(0, count);
    },
  };
}

const OPTIONS: ConfigOptions = {
  upstreams: [],
  providers: { held: { base_url: "builtin:held", dialect: CHAT } },
  group: {
    ...hedge(1),
    targets: ["up-1", "up-2"].map((model) => ({ provider: "held", model })),
  },
  callers: [caller("ci", TOKEN, { metrics_admin: true })],
};

/** A frame of a stream. */
function frame(delta: JsonObject, finish_reason: string | null): Uint8Array<ArrayBuffer> {
  const choices = [{ index: 0, delta, finish_reason }];
  const chunk = { id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices };
  return new TextEncoder().encode(`data: ${JSON.stringify(chunk)}\n\n`);
}

/** A stream that says nothing until it is told to. */
function heldStream() {
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>>();
  const writer = writable.getWriter();
  const stream = { cancelled: false };
  writer.closed.catch(() => stream.cancelled = true);
  return {
    response: new Response(readable, { headers: { "content-type": "text/event-stream" } }),
    stream,
    begin: () =>
      void writer.write(frame({ role: "assistant", content: "hi" }, null)).catch(() => {}),
    end() {
      writer.write(frame({}, "stop")).catch(() => {});
      writer.close().catch(() => {});
    },
  };
}

const pause = () => wait(2);

/** How the first target ends without a reply. */
const FAILURES: readonly (readonly [string, (answer: Answer) => void])[] = [
  [
    "is refused the request",
    (answer) => answer(Response.json({ error: { message: "no" } }, { status: 400 })),
  ],
  // Nothing that a provider may send: what is thrown then is a fault of the gateway.
  ["meets a fault of ours", (answer) => answer(Object.create(null))],
];

for (const [what, fail] of FAILURES) {
  Deno.test(`a stream that begins while the first target ${what} serves or is stopped`, async () => {
    const { upstream, next } = heldUpstream();
    const builtins = registry("upstream", [upstream]);
    await using gateway = await startTestGateway(OPTIONS, { builtins });
    const [least, most] = [-30, 30];
    for (let lag = least; lag <= most; lag++) {
      const answering = call(gateway.url, CHAT, { stream: true });
      const [first, second] = await next(2);
      const { response, stream, begin, end } = heldStream();
      second!(response);
      await pause();
      const both = [() => fail(first!), begin];
      const [one, other] = lag < 0 ? both : both.toReversed();
      one!();
      for (let tick = 0; tick < Math.abs(lag); tick++) await null;
      other!();
      await pause();
      end();
      const { status } = await answering;
      const row = (await gateway.settled(lag - least + 1)).at(-1)!;
      const serves = outcomes(row)[1] === "ok";
      assert.equal(status === 200, serves, `${lag} ticks apart: ${status}, ${outcomes(row)}`);
      assert.equal(stream.cancelled, !serves, `${lag} ticks apart`);
    }
    const metrics = await metricsOf(gateway.url, TOKEN);
    assert.equal(sumOf(metrics, "pointsman_upstream_inflight", {}), 0);
  });
}
