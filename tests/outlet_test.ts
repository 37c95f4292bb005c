import assert from "node:assert/strict";
import { translating } from "@/core/outlet.ts";
import type { Bridge } from "@/core/bridge.ts";
import { createStreamTranslator } from "@/core/stream_translator.ts";
import { createFrameReader } from "@/core/sse.ts";
import { tapBatch } from "@/core/tap_batch.ts";
import { NO_USAGE } from "@/core/usage.ts";
import { dialects } from "@/dialects/mod.ts";
import { plainTarget, wireOf } from "./dialect_target.ts";

const PING = 'event: ping\ndata: {"type":"ping"}\n\n';

/** A bridge from a Chat provider to a Messages caller. */
function bridge(): Bridge {
  const [chat, messages] = [dialects.get("openai-chat"), dialects.get("anthropic")];
  const { request } = messages.decodeRequest(wireOf('{"messages":[]}'));
  return {
    direction: "anthropic>openai-chat",
    dialect: chat,
    body: new Uint8Array(0),
    events: chat.encodeRequest(request, plainTarget("openai-chat")).events,
    asked: request,
    reply: () => new Uint8Array(0),
    stream: () =>
      createStreamTranslator({
        decoder: chat.decodeStream(),
        restore: { step: (event) => [event], end: () => [] },
        encoder: messages.encodeStream({ callId: "0".repeat(32), request }),
        createdAt: 1,
        estimatedInput: 1,
        usage: () => NO_USAGE,
      }),
  };
}

Deno.test("a bridge keeps a stream open by a comment until the stream has begun", () => {
  const tap = dialects.get("openai-chat").tap({ withholdUsage: false });
  const frames = createFrameReader({ maxFrameBytes: 1_024 });
  const outlet = translating(bridge(), { tap, frames, keepAlive: PING });
  const pass = (text: string) =>
    outlet.pass(tapBatch(tap, frames.push(new TextEncoder().encode(text))));
  const kept = () => new TextDecoder().decode(outlet.keepAlive ?? undefined);
  assert.equal(pass(": still at work\n\n").length, 0);
  assert.equal(kept(), ":\n\n", "nothing stands before message_start");
  pass('data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');
  assert.equal(kept(), PING);
});
