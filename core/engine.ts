import { accept, type Arrival, mayCall, mayUseKey } from "./accept.ts";
import { admit, admitImageUrls, understand } from "./admit.ts";
import { errorAnswer, limitHeaders } from "./answer.ts";
import { relayCached } from "./cached_reply.ts";
import { type Call, cutError, enter, type Parts } from "./call.ts";
import { decode } from "./decode.ts";
import type { Dialect } from "./dialect.ts";
import { asGatewayError } from "./errors.ts";
import { NO_CHARGE } from "./limits/charge.ts";
import { relay } from "./relay.ts";
import { route } from "./route.ts";
import { send } from "./send.ts";
import { shapeStart } from "./shape_call.ts";
import { settle } from "./settle.ts";

/**
 * One call, start to end. Whatever fails becomes an answer in the caller's dialect and a record.
 *
 * @throws {Unauthorized} when nobody can be told from the request: there is no call to record
 */
export async function makeCall(
  parts: Parts,
  dialect: Dialect,
  arrival: Arrival,
): Promise<Response> {
  const trace = parts.tracer?.begin() ?? null;
  const call = accept(parts, dialect, arrival);
  call.trace = trace;
  try {
    mayCall(parts, call);
    enter(call, "decode");
    await decode(parts, call, arrival.request);
    enter(call, "admit");
    await admit(parts, call);
    if (call.cache?.reply) {
      enter(call, "relay");
      return await relayCached(parts, call, call.cache.reply);
    }
    enter(call, "route");
    const plan = await route(parts, call);
    enter(call, "send");
    const reply = await send(parts, call, plan);
    enter(call, "relay");
    return await relay(parts, call, reply);
  } catch (thrown) {
    return await refuse(parts, call, thrown);
  }
}

/**
 * Counts the tokens a call would have, as the gateway estimates them; no upstream call, no record.
 *
 * @throws {GatewayError} as a call would
 */
export function countTokens(parts: Parts, dialect: Dialect, arrival: Arrival): Promise<number> {
  return tryCall(
    parts,
    dialect,
    arrival,
    (call) => Math.max(1, call.estimate?.plain ?? 1),
  );
}

/**
 * Takes a call as far as its route and no further: no upstream call, no record, and no charge but the
 * call itself, where `look` reserved it.
 *
 * @throws {GatewayError} as a call would
 */
export async function tryCall<Result>(
  parts: Parts,
  dialect: Dialect,
  arrival: Arrival,
  look: (call: Call) => Result | Promise<Result>,
): Promise<Result> {
  const call = accept(parts, dialect, arrival);
  try {
    mayCall(parts, call);
    await decode(parts, call, arrival.request);
    understand(parts, call);
    await shapeStart(parts, call);
    await admitImageUrls(parts, call);
    call.admitted = true;
    return await look(call);
  } finally {
    leave(parts, call);
  }
}

/**
 * Lets a request in that is no call, at the pace of its caller; it counts nowhere else.
 *
 * @returns who asks, and the configuration that says so
 * @throws {Unauthorized} without a valid token
 * @throws {GatewayError} `key-*`, `traffic-shaped`, or that it was cut while it waited
 */
export async function visit(
  parts: Parts,
  dialect: Dialect,
  arrival: Arrival,
): Promise<Pick<Call, "snapshot" | "credential">> {
  const call = accept(parts, dialect, arrival);
  try {
    mayUseKey(call);
    await shapeStart(parts, call);
    return call;
  } finally {
    leave(parts, call);
  }
}

/** Ends what leaves no record; who left before it was let in gives its place back. */
function leave(parts: Parts, call: Call): void {
  call.settled = true;
  parts.live.delete(call);
  if (call.cut !== null && !call.admitted) call.shaped.forEach((taken) => taken.undo());
  if (call.reservation) parts.ledger.settle(call.reservation, { ...NO_CHARGE, calls: 1 });
}

async function refuse(parts: Parts, call: Call, thrown: unknown): Promise<Response> {
  const error = call.cut === null ? asGatewayError(thrown) : cutError(call.cut);
  const ending = { status: error.status, error, partial: false, facts: null };
  const durable = settle(parts, call, ending);
  // A caller that is refused because nothing can be written need not wait for a write.
  if (durable && error.type !== "journal-unavailable") await durable;
  return errorAnswer(call.dialect, error, call.id, limitHeaders(parts, call));
}
