import { replyHeaders } from "./answer.ts";
import { bypassReasons, keepsAnyway } from "./cache/bypass.ts";
import type { CachedReply } from "./cache/entry.ts";
import { cacheKey } from "./cache/key.ts";
import { type Call, cutError, type Parts } from "./call.ts";
import { costOf } from "./cost.ts";
import type { UnaryReply } from "./read_unary.ts";
import { settle } from "./settle.ts";

/**
 * Looks for an answer in the cache; a call that was found one goes no further than admission.
 *
 * @throws {GatewayError} that the call was cut while it waited for another like it
 */
export function findCached(parts: Parts, call: Call): Promise<void> | undefined {
  const { group } = call;
  if (!group) throw new TypeError("Cannot look for a call that has no group");
  const reasons = bypassReasons(call, group);
  if (reasons.length > 0) {
    const key = keepsAnyway(call, reasons) ? cacheKey(call, group) : null;
    call.cache = { status: "bypass", reasons, key, reply: null };
    return undefined;
  }
  const key = cacheKey(call, group);
  call.cache = { status: "miss", reasons: NOT_STORED, key, reply: null };
  const found = parts.cache.find(key, call, call.snapshot.server.cache);
  if (found instanceof Promise) return waitFor(parts, call, found);
  if (found) call.cache = { ...call.cache, status: "hit", reasons: [], reply: found };
}

/** True of a miss until its reply is kept. */
const NOT_STORED = ["cache-not-stored"] as const;

async function waitFor(
  parts: Parts,
  call: Call,
  found: Promise<CachedReply | null>,
): Promise<void> {
  const from = parts.clock();
  const reply = await found;
  call.waitedMs += parts.clock() - from;
  if (call.cut !== null) throw cutError(call.cut);
  if (reply && call.cache) call.cache = { ...call.cache, status: "hit", reasons: [], reply };
}

/** Answers with a reply that was given before. */
export async function relayCached(
  parts: Parts,
  call: Call,
  reply: CachedReply,
): Promise<Response> {
  call.firstByteOutAt = call.firstContentAt = parts.clock();
  const facts = {
    usage: reply.usage,
    servedModel: reply.servedModel,
    finishReason: reply.finishReason,
    contentBytes: 0,
    toolCalls: 0,
    proofs: [],
  };
  const durable = settle(parts, call, { status: 200, error: null, partial: false, facts });
  if (durable) await durable;
  const age = Math.max(0, Math.floor((parts.now() - reply.storedAt) / 1_000));
  const headers = { ...replyHeaders(parts, call, reply.contentType), age: String(age) };
  return new Response(reply.bytes, { status: 200, headers });
}

/** Keeps the reply of a call for others like it: only a whole one, with its usage. */
export function keepReply(parts: Parts, call: Call, reply: UnaryReply): void {
  const { cache, group } = call;
  const { usage, servedModel, finishReason } = reply.facts;
  if (!cache || cache.key === null || !group || reply.status !== 200 || !usage) return;
  if (usage.input === null || usage.output === null) return;
  const { target } = reply.attempt;
  const counted = {
    input: usage.input,
    output: usage.output,
    cachedInput: usage.cachedInput ?? 0,
    cacheWrite: usage.cacheWrite ?? 0,
    image: usage.image,
    reasoning: usage.reasoning,
  };
  const imageCount = call.features?.imageCount ?? 0;
  const cost = costOf({ ...counted, imageCount }, target.prices).total;
  const now = parts.now();
  const kept = parts.cache.keep(cache.key, {
    contentType: reply.contentType,
    bytes: reply.bytes,
    provider: target.provider.name,
    model: target.model,
    servedModel,
    finishReason,
    usage: counted,
    costNusd: cost === null ? null : Number(cost),
    storedAt: now,
    expiresAt: now + group.cache.ttlMs,
  }, call.snapshot.server.cache);
  if (kept && cache.status === "miss") call.cache = { ...cache, reasons: [] };
}
