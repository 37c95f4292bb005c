import { DIFFERS, encodeFrame, FRAME, type Frame, FrameReader, RECYCLE, TIDIES } from "./frames.ts";
import { type LoadMessage, MAX_BATCH, MAX_MESSAGE_BYTES } from "./messages.ts";
import { openRealm, type Realm, type RealmAnswer, RefusedBundle } from "./realm.ts";

/** A realm is made anew after so many decisions: state is no part of the contract. */
const DECISIONS_PER_REALM = 10_000;

const BATCHES_PER_REALM = Math.floor(DECISIONS_PER_REALM / MAX_BATCH);

/** One decision in so many is made twice, to find policies that are not functions of their context. */
const DECISIONS_PER_TWIN = 200;

/**
 * Decisions that the engine stops at their deadline, from the start and from each that was late: such a
 * guard wakes another thread twice, which takes longer than most decisions. A policy that was in time so
 * often does without; when it loops after all, the gateway ends its process.
 */
const GUARDED_DECISIONS = 1_000;

/** The heap is looked at once in so many decisions. */
const DECISIONS_PER_LOOK = 16;

const MiB = 2 ** 20;
const decoder = new TextDecoder();

/** Sends a frame; `sequence` is that of the one it answers. */
type Say = (kind: number, sequence: number, text: string) => void;

/** A bundle, and the realm it decides in now. */
interface Policy {
  readonly message: LoadMessage;
  realm: Realm;
  /** Which realm it is: a decision that waits goes on in its own or not at all. */
  number: number;
  /** Decides again what the realm decided now and then: made when it is first needed. */
  twin: Realm | null;
  decisions: number;
  batches: number;
  /** Number of the decision from which on none is guarded. */
  guardedUntil: number;
}

/**
 * Takes bytes of frames, and answers each frame in turn.
 *
 * @param isOwnProcess whether what runs on for ever can be ended with the process
 */
export function createRealmServer(
  send: (frame: Uint8Array<ArrayBuffer>) => void,
  isOwnProcess: boolean,
): (chunk: Uint8Array) => void {
  const guarded = isOwnProcess ? GUARDED_DECISIONS : Infinity;
  const reader = new FrameReader(MAX_MESSAGE_BYTES);
  // What comes next is begun at once: when this is said is when it begins.
  const say: Say = (kind, sequence, text) =>
    send(encodeFrame(kind, sequence, text, performance.now()));
  let policy: Policy | null = null;
  say(FRAME.ready, 0, "");
  return (chunk) => {
    for (const frame of reader.push(chunk)) {
      if (frame.kind === FRAME.load) policy = load(frame, guarded, say);
      else if (frame.kind === FRAME.measure) measure(frame, say);
      else if (frame.kind === FRAME.resume && policy) resume(policy, frame, say);
      else if (frame.kind === FRAME.decideAll && policy) decideAll(policy, frame, say);
      else if (policy) decide(policy, frame, say);
    }
  };
}

function load({ sequence, payload }: Frame, guardedUntil: number, say: Say): Policy | null {
  const message: LoadMessage = JSON.parse(decoder.decode(payload));
  try {
    const realm = openRealm(message);
    say(FRAME.loaded, sequence, "");
    return { message, realm, number: 0, twin: null, decisions: 0, batches: 0, guardedUntil };
  } catch (error) {
    if (!(error instanceof RefusedBundle)) throw error;
    const { fault, detail } = error;
    say(FRAME.refused, sequence, JSON.stringify({ fault, detail }));
    return null;
  }
}

function measure({ sequence }: Frame, say: Say): void {
  say(FRAME.measured, sequence, String(heldBytes()));
}

/** Of the heap and of buffers, which lie outside of it; garbage included. */
function heldBytes(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function decide(policy: Policy, { sequence, payload }: Frame, say: Say): void {
  const context = decoder.decode(payload);
  const answer = policy.realm.decide(context, isGuarded(policy));
  policy.decisions += 1;
  const isOld = policy.decisions % DECISIONS_PER_REALM === 0;
  const isTwice = answer.kind === "plan" && policy.decisions % DECISIONS_PER_TWIN === 0;
  const tidies = policy.realm.spent || isOld || isTwice;
  const looks = policy.decisions % DECISIONS_PER_LOOK === 0;
  const marks = wornMark(policy, looks) | (tidies ? TIDIES : 0);
  say(FRAME[answer.kind] | marks, sequence, textOf(policy, answer));
  if (!tidies) return;
  const differs = isTwice && !decidesAlike(policy, context, answer);
  if (policy.realm.spent || isOld) renew(policy);
  say(FRAME.free | (differs ? DIFFERS : 0), sequence, "");
}

/** Nobody waits for a batch alone: it is made once, and every realm makes so many of them. */
function decideAll(policy: Policy, { sequence, payload }: Frame, say: Say): void {
  const answer = policy.realm.decideAll(decoder.decode(payload));
  policy.batches += 1;
  const tidies = policy.realm.spent || policy.batches % BATCHES_PER_REALM === 0;
  const marks = wornMark(policy, true) | (tidies ? TIDIES : 0);
  say(FRAME[answer.kind] | marks, sequence, answer.text);
  if (!tidies) return;
  renew(policy);
  say(FRAME.free, sequence, "");
}

/** Goes on with a decision that waited, in its own realm. */
function resume(policy: Policy, { sequence, payload }: Frame, say: Say): void {
  const text = decoder.decode(payload);
  const { realm }: { readonly realm: number } = JSON.parse(text);
  const answer = realm === policy.number ? policy.realm.resume(text, isGuarded(policy)) : GONE;
  const marks = wornMark(policy, false) | (policy.realm.spent ? TIDIES : 0);
  say(FRAME[answer.kind] | marks, sequence, textOf(policy, answer));
  if (!policy.realm.spent) return;
  renew(policy);
  say(FRAME.free, sequence, "");
}

const GONE: RealmAnswer = { kind: "fault", text: JSON.stringify({ fault: "policy-unavailable" }) };

function textOf({ number }: Policy, { kind, text }: RealmAnswer): string {
  return kind === "pause" ? JSON.stringify({ realm: number, ...JSON.parse(text) }) : text;
}

/** Whether another realm of the policy makes the same plan. */
function decidesAlike(policy: Policy, context: string, { text }: RealmAnswer): boolean {
  policy.twin ??= openRealm(policy.message);
  const isAlike = policy.twin.decide(context, true).text === text;
  if (policy.twin.spent) policy.twin = null;
  return isAlike;
}

function wornMark({ realm, message }: Policy, looks: boolean): number {
  if (!looks && !realm.spent) return 0;
  return heldBytes() > message.heapMb * MiB ? RECYCLE : 0;
}

function isGuarded({ decisions, guardedUntil }: Policy): boolean {
  return decisions < guardedUntil;
}

function renew(policy: Policy): void {
  if (policy.realm.spent) {
    policy.guardedUntil = Math.max(policy.guardedUntil, policy.decisions + GUARDED_DECISIONS);
  }
  policy.realm = openRealm(policy.message);
  policy.number += 1;
  policy.twin = null;
}
