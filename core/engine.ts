import { accept, type Arrival, mayCall } from "./accept.ts";
import { admit, admitImageUrls, understand } from "./admit.ts";
import { errorAnswer, limitHeaders } from "./answer.ts";
import { relayCached } from "./cached_reply.ts";
import { type Call, cutError, type Parts } from "./call.ts";
import { decode } from "./decode.ts";
import type { Dialect } from "./dialect.ts";
import { asGatewayError } from "./errors.ts";
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
  const call = accept(parts, dialect, arrival);
  try {
    mayCall(parts, call);
    await decode(parts, call, arrival.request);
    await admit(parts, call);
    if (call.cache?.reply) return await relayCached(parts, call, call.cache.reply);
    const plan = await route(parts, call);
    const reply = await send(parts, call, plan);
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
export async function countTokens(
  parts: Parts,
  dialect: Dialect,
  arrival: Arrival,
): Promise<number> {
  const call = accept(parts, dialect, arrival);
  try {
    mayCall(parts, call);
    await decode(parts, call, arrival.request);
    understand(call);
    await shapeStart(parts, call);
    await admitImageUrls(parts, call);
    return Math.max(1, call.features?.estimatedInputTokens ?? 1);
  } finally {
    call.settled = true;
    parts.live.delete(call);
    if (call.cut !== null) call.shaped.forEach((taken) => taken.undo());
  }
}

async function refuse(parts: Parts, call: Call, thrown: unknown): Promise<Response> {
  const error = call.cut === null ? asGatewayError(thrown) : cutError(call.cut);
  const ending = { status: error.status, error, partial: false, facts: null };
  const durable = settle(parts, call, ending);
  // A caller that is refused because nothing can be written need not wait for a write.
  if (durable && error.type !== "journal-unavailable") await durable;
  return errorAnswer(call.dialect, error, call.id, limitHeaders(parts, call));
}
