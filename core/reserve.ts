import type { Call, Parts } from "./call.ts";
import type { Cost } from "./cost.ts";
import type { GatewayError } from "./errors.ts";
import { estimated } from "./features.ts";
import type { Account } from "./limits/account.ts";
import { type Charge, NO_CHARGE } from "./limits/charge.ts";
import type { Reservation } from "./limits/ledger.ts";
import { isLimited, type LimitKey, type Need } from "./limits/limit.ts";
import { type Refusal, refusalError, storeUnavailable } from "./limits/refusal.ts";
import type { Scope } from "./limits/standing.ts";
import type { Target } from "./snapshot.ts";
import type { Usage } from "./usage.ts";

const ONE_LOOK: Need = [["rpm", 1]];
const ONE_CALL: Need = [["rpm", 1], ["day.requests", 1], ["month.requests", 1]];
const ONE_SLOT: Need = [["concurrent", 1]];

/** The tokens that are reserved for a call: never fewer than it is expected to use. */
export function reservedTokens({ features, estimate }: Call): {
  readonly input: number;
  readonly output: number;
} {
  return { input: estimate?.upper ?? 0, output: features?.reservedOutputTokens ?? 0 };
}

/** The counters of the caller itself. */
export function ownAccount({ ledger }: Parts, { credential: { caller } }: Call): Account {
  return ledger.account(caller.limits[0]!.id);
}

/**
 * Takes the call itself: the minute's, the day's and the month's.
 *
 * @throws {GatewayError} `rpm-exceeded`, `quota-exhausted`, `quota-store-unavailable`
 */
export function reserveCall(parts: Parts, call: Call): Promise<void> | undefined {
  open(parts, call);
  return take(parts, call, ONE_CALL);
}

/**
 * Counts a call that goes no further than its route: in the minute's, and nowhere else.
 *
 * @throws {GatewayError} `rpm-exceeded`, `quota-store-unavailable`
 */
export function countCall(parts: Parts, call: Call): Promise<void> | undefined {
  open(parts, call);
  return take(parts, call, ONE_LOOK);
}

function open(parts: Parts, call: Call): void {
  const { limits } = call.credential.caller;
  call.reservation = parts.ledger.open(limits);
  if (parts.ledgerStore.refuses && limits.some(isLimited)) throw storeUnavailable();
}

/**
 * Takes the tokens a call may use.
 *
 * @throws {GatewayError} `tpm-exceeded`, `quota-exhausted`, `key-exhausted`
 */
export function reserveTokens(parts: Parts, call: Call): Promise<void> | undefined {
  const { input, output } = reservedTokens(call);
  const tokens = input + output;
  return take(parts, call, [
    ["tpm", tokens],
    ["day.tokens", tokens],
    ["month.tokens", tokens],
    ["lifetime.tokens", tokens],
  ]);
}

/**
 * Takes one of the calls that may run at a time.
 *
 * @throws {GatewayError} `concurrency-exceeded`
 */
export function reserveSlot(parts: Parts, call: Call): Promise<void> | undefined {
  return take(parts, call, ONE_SLOT);
}

const COST: readonly LimitKey[] = ["day.cost", "month.cost"];

/** Replaces what is reserved for the cost of a call by the most a target may cost, if that fits. */
export function reserveCost(
  parts: Parts,
  call: Call,
  target: Target,
): Refusal | null | Promise<Refusal | null> {
  const reservation = reservationOf(call);
  parts.ledger.release(reservation, COST);
  return parts.ledger.take(reservation, costNeed(parts, call, target));
}

/**
 * Reserves the most a second target may cost beside what is reserved for the first.
 *
 * @returns `null` when both do not fit
 * @throws {GatewayError} `quota-store-unavailable`
 */
export async function reserveMoreCost(
  parts: Parts,
  call: Call,
  target: Target,
): Promise<Reservation | null> {
  const more = parts.ledger.open(call.credential.caller.limits);
  const refusal = await parts.ledger.take(more, costNeed(parts, call, target));
  return refusal === null ? more : null;
}

/** What was reserved for the second target stands for the call, and what it held for the first is free. */
export function adoptCost({ ledger }: Parts, call: Call, more: Reservation): void {
  ledger.hand(more, reservationOf(call), COST);
}

/** The second target does not serve. */
export function releaseCost({ ledger }: Parts, more: Reservation): void {
  ledger.release(more, COST);
}

function costNeed(parts: Parts, call: Call, target: Target): Need {
  const nusd = largestCost(parts, call, target);
  return [["day.cost", nusd], ["month.cost", nusd]];
}

/** Input at its dearest, output to the cap and every image, rounded up to a nano-USD. */
function largestCost(
  { calibration }: Parts,
  { features }: Call,
  { key, prices }: Target,
): number {
  if (!features) throw new TypeError("Cannot reserve for a call that was not decoded");
  const input = calibration.upper(key, estimated(features));
  const read = prices.input ?? 0n;
  const written = prices.cacheWrite ?? read;
  const tokens = BigInt(input) * (read > written ? read : written) +
    BigInt(features.reservedOutputTokens) * (prices.output ?? 0n);
  const images = BigInt(features.imageCount) * (prices.perImage ?? 0n);
  return Number((tokens + 999_999n) / 1_000_000n + images);
}

/** What a call that ends is charged with. */
export function chargeOf(call: Call, usage: Usage, cost: Cost | null): Charge {
  if (!call.admitted) return NO_CHARGE;
  if (call.cache?.status === "hit") return { ...NO_CHARGE, calls: 1, requests: 1 };
  if (call.attempts.length === 0) return { ...NO_CHARGE, calls: 1 };
  return {
    calls: 1,
    requests: 1,
    tokens: usage.input + usage.output,
    nusd: Number(cost?.total ?? 0n),
  };
}

/** The limits that hold for a call, with their counters; none before it reserved anything. */
export function scopesOf({ reservation }: Call): readonly Scope[] {
  if (reservation === null) return [];
  return reservation.scopes.map((limits, place) => ({
    limits,
    account: reservation.accounts[place]!,
  }));
}

/** The error of a refusal, as of now. */
export function limitError(parts: Parts, refusal: Refusal): GatewayError {
  return refusalError(refusal, parts.ledger.moment());
}

/** There is something to wait for only where several processes share a store. */
function take(parts: Parts, call: Call, need: Need): Promise<void> | undefined {
  const taken = parts.ledger.take(reservationOf(call), need);
  if (taken instanceof Promise) return taken.then((refusal) => refuse(parts, refusal));
  refuse(parts, taken);
}

function refuse(parts: Parts, refusal: Refusal | null): void {
  if (refusal !== null) throw limitError(parts, refusal);
}

function reservationOf({ reservation }: Call): Reservation {
  if (reservation === null) throw new TypeError("Cannot reserve for a call that was not admitted");
  return reservation;
}
