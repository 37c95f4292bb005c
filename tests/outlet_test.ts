import assert from "node:assert/strict";
import { translating } from "@/core/outlet.ts";
import type { Bridge } from "@/core/bridge.ts";
import type { DialectName } from "@/core/dialect_name.ts";
import { createStreamTranslator } from "@/core/stream_translator.ts";
import { createFrameReader } from "@/core/sse.ts";
import { NO_USAGE } from "@/core/usage.ts";
import { dialects } from "@/dialects/mod.ts";
import { PAIRS } from "./bridge_groups.ts";
import { wireOf } from "./dialect_target.ts";
import { recordings } from "./recordings.ts";
import { sampleReply } from "./upstream.ts";

const PING = 'event: ping\ndata: {"type":"ping"}\n\n';

const EMPTY = '{"messages":[],"input":[]}';

/** A bridge for the replies of one dialect to a caller of another. */
function bridge(from: DialectName, to: DialectName): Bridge {
  const [caller, far] = [dialects.get(from), dialects.get(to)];
  const { request } = caller.decodeRequest(wireOf(EMPTY));
  return {
    direction: `${from}>${to}`,
    body: new Uint8Array(0),
    events: [],
    asked: request,
    outputCap: null,
    reply: () => new Uint8Array(0),
    stream: () =>
      createStreamTranslator({
        decoder: far.decodeStream(),
        restore: { step: (event) => [event], end: () => [] },
        encoder: caller.encodeStream({ callId: "0".repeat(32), request }),
        createdAt: 1,
        estimatedInput: 1,
        note() {},
        usage: () => NO_USAGE,
      }),
  };
}

Deno.test("a bridge keeps a stream open by a comment until the stream has begun", () => {
  const tap = dialects.get("openai-chat").tap({ withholdUsage: false });
  const frames = createFrameReader({ maxFrameBytes: 1_024 });
  const outlet = translating(bridge("anthropic", "openai-chat"), { tap, frames, keepAlive: PING });
  const pass = (text: string) => outlet.pass(frames.push(new TextEncoder().encode(text))).bytes;
  const kept = () => new TextDecoder().decode(outlet.keepAlive() ?? undefined);
  assert.equal(pass(": still at work\n\n").length, 0);
  assert.equal(kept(), ":\n\n", "nothing stands before message_start");
  pass('data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');
  assert.equal(kept(), PING);
});

for (const [from, to] of PAIRS) {
  Deno.test(`${from}>${to}: what lies behind garbage in one chunk counts for nothing`, async () => {
    const stream = await sampleReply(to, { stream: true });
    const garbage = new TextEncoder().encode("data: <html>\n\n".repeat(3));
    const tap = dialects.get(to).tap({ withholdUsage: false });
    const frames = createFrameReader({ maxFrameBytes: 1 << 20 });
    const outlet = translating(bridge(from, to), { tap, frames, keepAlive: PING });
    const { kinds, fault } = outlet.pass(frames.push(new Uint8Array([...garbage, ...stream])));
    assert.equal(fault?.class, "upstream_bad_response");
    assert(!kinds.includes("content") && !kinds.includes("terminal"));
    assert.deepEqual([tap.facts().contentBytes, tap.facts().usage], [0, null]);
  });
}

/** What a caller gets of a stream that comes in pieces of a size, in bytes. */
function relayed(
  [from, to]: readonly [DialectName, DialectName],
  stream: Uint8Array,
  size: number,
) {
  const tap = dialects.get(to).tap({ withholdUsage: false });
  const frames = createFrameReader({ maxFrameBytes: 1 << 20 });
  const outlet = translating(bridge(from, to), { tap, frames, keepAlive: PING });
  let text = "";
  const write = (bytes: Uint8Array) => void (text += new TextDecoder().decode(bytes));
  for (let at = 0; at < stream.length; at += size) {
    write(outlet.pass(frames.push(stream.slice(at, at + size))).bytes);
  }
  write(outlet.close(frames.rest())!.bytes);
  return text;
}

for (const [from, to] of PAIRS) {
  for (const { name, reply } of recordings(to).filter(({ streamed }) => streamed)) {
    Deno.test(`${from}>${to}/${name}: any split of its bytes gives the caller the same bytes`, () => {
      const whole = relayed([from, to], reply, reply.length);
      assert.notEqual(whole, "");
      for (const size of [1, 7, 64]) assert.equal(relayed([from, to], reply, size), whole);
    });
  }
}
