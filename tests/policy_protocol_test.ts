import assert from "node:assert/strict";
import { createDeadlines } from "@/core/deadlines.ts";
import { encodeFrame, FRAME, FrameReader } from "@/policies/sandbox/frames.ts";
import type { LinkEvents } from "@/policies/sandbox/host_link.ts";
import { PolicyHost } from "@/policies/sandbox/policy_host.ts";

/** A host at whose other end somebody answers every decision with this. */
function answering(kind: number, text: string, ahead = 0): PolicyHost {
  const clock = () => performance.now();
  const send = (events: LinkEvents, kind: number, sequence: number, text: string) =>
    queueMicrotask(() => events.onChunk(encodeFrame(kind, sequence, text)));
  return new PolicyHost({
    deadlines: createDeadlines(clock),
    clock,
    heapMb: 64,
    open(_, events) {
      const reader = new FrameReader(1 << 20);
      send(events, FRAME.ready, 0, "");
      return {
        pid: null,
        send(bytes) {
          for (const { kind: asked, sequence } of reader.push(bytes)) {
            if (asked === FRAME.load) send(events, FRAME.loaded, sequence, "");
            else send(events, kind, sequence + ahead, text);
          }
        },
        kill: () => queueMicrotask(() => events.onEnd(137)),
      };
    },
  });
}

const OWNER = { onWorn() {}, onDiffers() {}, onEnd() {} };
const MESSAGE = { code: "", timeoutMs: 5_000, heapMb: 64, traces: false };

for (
  const [what, kind, text, ahead] of [
    ["a fault that is none", FRAME.fault, '{"fault":"made-up"}', 0],
    ["a fault that is no JSON", FRAME.fault, "{", 0],
    ["a pause that is no JSON", FRAME.pause, "{", 0],
    ["a pause for too much", FRAME.pause, '{"realm":0,"turn":1,"requests":[1,2,3,4,5]}', 0],
    ["the answer to another question", FRAME.plan, "{}", 1],
  ] as const
) {
  Deno.test(`policy host is ended for ${what}, and nobody waits for it`, async () => {
    const host = answering(kind, text, ahead);
    assert.equal(await host.load(MESSAGE, OWNER), null);
    const [first, second] = await Promise.all([host.decide("{}"), host.decide("{}")]);
    assert.deepEqual(first, { kind: "fault", fault: "policy-killed", detail: "" });
    assert.deepEqual(second, { kind: "lost" });
    assert.equal(host.alive, false);
  });
}

Deno.test("frame reader gives what stood before a frame that is too large, then reads no more", () => {
  const reader = new FrameReader(8);
  const whole = encodeFrame(FRAME.plan, 1, "{}");
  const large = encodeFrame(FRAME.plan, 2, "x".repeat(9));
  const [frame, ...others] = reader.push(new Uint8Array([...whole, ...large]));
  assert.equal(frame?.sequence, 1);
  assert.deepEqual(others, []);
  assert.throws(() => reader.push(new Uint8Array(1)), RangeError);
});
