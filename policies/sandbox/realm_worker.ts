/// <reference lib="deno.worker" />
import { DIFFERS, encodeFrame, FRAME, type Frame, FrameReader, RECYCLE } from "./frames.ts";
import { type LoadMessage, MAX_MESSAGE_BYTES } from "./messages.ts";
import { openRealm, type Realm, RefusedBundle } from "./realm.ts";

/** A realm is made anew after so many decisions: state is no part of the contract. */
const DECISIONS_PER_REALM = 10_000;

/** One decision in so many is made twice, to find policies that are not functions of their context. */
const DECISIONS_PER_TWIN = 200;

/** The heap is looked at once in so many decisions. */
const DECISIONS_PER_LOOK = 16;

const MiB = 2 ** 20;
const decoder = new TextDecoder();

/**
 * The thread that policies run in: it may do nothing, and holds nothing but what comes through stdin.
 * It reads and answers synchronously, one frame after the other.
 */
function serve(): void {
  const reader = new FrameReader(MAX_MESSAGE_BYTES);
  const buffer = new Uint8Array(64 * 1024);
  send(encodeFrame(FRAME.ready, 0, ""));
  let policy: Policy | null = null;
  for (let size = read(buffer); size !== null; size = read(buffer)) {
    for (const frame of reader.push(buffer.subarray(0, size))) {
      if (frame.kind === FRAME.load) policy = load(frame);
      else if (policy) decide(policy, frame);
    }
  }
}

const read = (buffer: Uint8Array) => Deno.stdin.readSync(buffer);

/** A bundle, and the realm it decides in now. */
interface Policy {
  readonly message: LoadMessage;
  realm: Realm;
  /** Decides again what the realm decided now and then: made when it is first needed. */
  twin: Realm | null;
  decisions: number;
  /** A plan was not the same the second time; not told yet. */
  differs: boolean;
}

function load({ sequence, payload }: Frame): Policy | null {
  const message: LoadMessage = JSON.parse(decoder.decode(payload));
  try {
    const realm = openRealm(message);
    send(encodeFrame(FRAME.loaded, sequence, ""));
    return { message, realm, twin: null, decisions: 0, differs: false };
  } catch (error) {
    if (!(error instanceof RefusedBundle)) throw error;
    const { fault, detail } = error;
    send(encodeFrame(FRAME.refused, sequence, JSON.stringify({ fault, detail })));
    return null;
  }
}

function decide(policy: Policy, { sequence, payload }: Frame): void {
  const context = decoder.decode(payload);
  const answer = policy.realm.decide(context);
  policy.decisions += 1;
  const kind = answer.planned ? FRAME.plan : FRAME.fault;
  send(encodeFrame(kind | marksOf(policy), sequence, answer.text));
  if (policy.realm.spent || policy.decisions % DECISIONS_PER_REALM === 0) renew(policy);
  else if (answer.planned && policy.decisions % DECISIONS_PER_TWIN === 0) {
    policy.twin ??= openRealm(policy.message);
    policy.differs = policy.twin.decide(context).text !== answer.text;
    if (policy.twin.spent) policy.twin = null;
  }
}

function marksOf(policy: Policy): number {
  const differs = policy.differs ? DIFFERS : 0;
  policy.differs = false;
  const looks = policy.realm.spent || policy.decisions % DECISIONS_PER_LOOK === 0;
  const full = looks && Deno.memoryUsage().heapUsed > policy.message.heapMb * MiB;
  return differs | (full ? RECYCLE : 0);
}

function renew(policy: Policy): void {
  policy.realm = openRealm(policy.message);
  policy.twin = null;
}

function send(bytes: Uint8Array): void {
  for (let left = bytes; left.length > 0;) left = left.subarray(Deno.stdout.writeSync(left));
}

serve();
// The gateway is gone, or done with this process.
self.postMessage("end");
