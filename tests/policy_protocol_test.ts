import assert from "node:assert/strict";
import { createDeadlines } from "@/core/deadlines.ts";
import { encodeFrame, FRAME, FrameReader, TIDIES } from "@/policies/sandbox/frames.ts";
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

/** Exit code of a process that its engine has ended. */
const ABORTED = 134;

/** A host that has been asked twice, in the hands of the test; the times of its frames are its own. */
async function askedTwice() {
  const it = { now: 1_000, last: 0 };
  let events: LinkEvents | undefined;
  const reader = new FrameReader(1 << 20);
  const host = new PolicyHost({
    deadlines: { set: () => ({ cancel() {} }) },
    clock: () => it.now,
    heapMb: 64,
    open(_, told) {
      events = told;
      return {
        pid: null,
        send: (bytes) => reader.push(bytes).forEach(({ sequence }) => it.last = sequence),
        kill() {},
      };
    },
  });
  const say = (kind: number, sequence: number, at: number) =>
    events!.onChunk(encodeFrame(kind, sequence, "{}", at));
  say(FRAME.ready, 0, 0);
  const loaded = host.load({ ...MESSAGE, timeoutMs: 50 }, OWNER);
  await host.ready;
  await Promise.resolve();
  say(FRAME.loaded, it.last, 0);
  assert.equal(await loaded, null);
  const answers = [host.decide("{}"), host.decide("{}")];
  return {
    answers,
    /** The first answer was said at a moment, and is read at a later one. */
    answer(at: number, readAt: number, marks = 0) {
      it.now = 1_000 + readAt;
      say(FRAME.plan | marks, it.last - 1, at);
    },
    free(at: number) {
      it.now = 1_000 + at;
      say(FRAME.free, it.last - 1, at);
    },
    async end(at: number): Promise<string> {
      it.now = 1_000 + at;
      events!.onEnd(ABORTED);
      const second = await answers[1]!;
      return second.kind === "fault" ? second.fault : second.kind;
    },
  };
}

for (
  const [what, saidAt, fault] of [
    ["whose time was over, however late the answer before it was read", 10, "policy-killed"],
    ["whose time was not over", 30, "policy-oom"],
  ] as const
) {
  Deno.test(`policy host tells the end of a decision ${what}`, async () => {
    const { answer, end } = await askedTwice();
    answer(saidAt, 60);
    assert.equal(await end(65), fault);
  });
}

Deno.test("policy host that ends between two decisions blames neither", async () => {
  const { answers, answer, end } = await askedTwice();
  answer(10, 10, TIDIES);
  assert.equal(await end(200), "lost");
  assert.equal((await answers[0]!).kind, "plan");
});

Deno.test("policy host counts the time of a decision from when it is free for it", async () => {
  const { answer, free, end } = await askedTwice();
  answer(10, 10, TIDIES);
  free(200);
  assert.equal(await end(240), "policy-oom");
});
