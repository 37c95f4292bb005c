import { DIFFERS, encodeFrame, FRAME, type Frame, FrameReader, RECYCLE } from "./frames.ts";
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

type Send = (frame: Uint8Array<ArrayBuffer>) => void;

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
  /** A plan was not the same the second time; not told yet. */
  differs: boolean;
}

/**
 * Takes bytes of frames, and answers each frame in turn.
 *
 * @param isOwnProcess whether what runs on for ever can be ended with the process
 */
export function createRealmServer(send: Send, isOwnProcess: boolean): (chunk: Uint8Array) => void {
  const guarded = isOwnProcess ? GUARDED_DECISIONS : Infinity;
  const reader = new FrameReader(MAX_MESSAGE_BYTES);
  let policy: Policy | null = null;
  send(encodeFrame(FRAME.ready, 0, ""));
  return (chunk) => {
    for (const frame of reader.push(chunk)) {
      if (frame.kind === FRAME.load) policy = load(frame, guarded, send);
      else if (frame.kind === FRAME.measure) measure(frame, send);
      else if (frame.kind === FRAME.resume && policy) resume(policy, frame, send);
      else if (frame.kind === FRAME.decideAll && policy) decideAll(policy, frame, send);
      else if (policy) decide(policy, frame, send);
    }
  };
}

function load({ sequence, payload }: Frame, guardedUntil: number, send: Send): Policy | null {
  const message: LoadMessage = JSON.parse(decoder.decode(payload));
  try {
    const realm = openRealm(message);
    send(encodeFrame(FRAME.loaded, sequence, ""));
    return {
      message,
      realm,
      number: 0,
      twin: null,
      decisions: 0,
      batches: 0,
      guardedUntil,
      differs: false,
    };
  } catch (error) {
    if (!(error instanceof RefusedBundle)) throw error;
    const { fault, detail } = error;
    send(encodeFrame(FRAME.refused, sequence, JSON.stringify({ fault, detail })));
    return null;
  }
}

function measure({ sequence }: Frame, send: Send): void {
  send(encodeFrame(FRAME.measured, sequence, String(Deno.memoryUsage().heapUsed)));
}

function decide(policy: Policy, { sequence, payload }: Frame, send: Send): void {
  const context = decoder.decode(payload);
  const answer = policy.realm.decide(context, isGuarded(policy));
  policy.decisions += 1;
  send(encodeFrame(FRAME[answer.kind] | marksOf(policy), sequence, textOf(policy, answer)));
  if (policy.realm.spent || policy.decisions % DECISIONS_PER_REALM === 0) renew(policy);
  else if (answer.kind === "plan" && policy.decisions % DECISIONS_PER_TWIN === 0) {
    policy.twin ??= openRealm(policy.message);
    policy.differs = policy.twin.decide(context, true).text !== answer.text;
    if (policy.twin.spent) policy.twin = null;
  }
}

/** Nobody waits for a batch alone: it is made once, and every realm makes so many of them. */
function decideAll(policy: Policy, { sequence, payload }: Frame, send: Send): void {
  const answer = policy.realm.decideAll(decoder.decode(payload));
  policy.batches += 1;
  send(encodeFrame(FRAME[answer.kind] | marksOf(policy, true), sequence, answer.text));
  if (policy.realm.spent || policy.batches % BATCHES_PER_REALM === 0) renew(policy);
}

/** Goes on with a decision that waited, in its own realm. */
function resume(policy: Policy, { sequence, payload }: Frame, send: Send): void {
  const text = decoder.decode(payload);
  const { realm }: { readonly realm: number } = JSON.parse(text);
  const answer = realm === policy.number ? policy.realm.resume(text, isGuarded(policy)) : GONE;
  send(encodeFrame(FRAME[answer.kind] | marksOf(policy), sequence, textOf(policy, answer)));
  if (policy.realm.spent) renew(policy);
}

const GONE: RealmAnswer = { kind: "fault", text: JSON.stringify({ fault: "policy-unavailable" }) };

function textOf({ number }: Policy, { kind, text }: RealmAnswer): string {
  return kind === "pause" ? JSON.stringify({ realm: number, ...JSON.parse(text) }) : text;
}

function marksOf(policy: Policy, looks = policy.decisions % DECISIONS_PER_LOOK === 0): number {
  const differs = policy.differs ? DIFFERS : 0;
  policy.differs = false;
  const full = (looks || policy.realm.spent) &&
    Deno.memoryUsage().heapUsed > policy.message.heapMb * MiB;
  return differs | (full ? RECYCLE : 0);
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
