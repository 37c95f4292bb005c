import type { Attributes } from "@opentelemetry/api";
import {
  type Attempt,
  type Call,
  fallbackReason,
  isFallback,
  servingAttempt,
  type Settlement,
} from "@/core/call.ts";
import { errorOrigin } from "@/core/call_record.ts";
import type { DialectName } from "@/core/dialect_name.ts";
import { memoOfObject } from "@/core/memo.ts";
import { providerWords } from "@/core/provider_words.ts";
import { numberIn } from "@/core/scan.ts";
import type { Provider } from "@/core/snapshot.ts";
import type { UsageReport } from "@/core/usage.ts";

/** Whose conventions a dialect is, in the words of the semantic conventions. */
const PROVIDERS: Readonly<Record<DialectName, string>> = {
  "anthropic": "anthropic",
  "openai-chat": "openai",
  "openai-responses": "openai",
};

/**
 * What is said of an attempt: names, numbers and codes, never a prompt, a reply or what a tool got.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
 */
export function attemptAttributes(attempt: Attempt): Attributes {
  const { target, facts, error, startedAt, firstByteAt } = attempt;
  const words = providerWords(facts);
  return stated({
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": providerName(target.dialect),
    "gen_ai.request.model": target.model,
    "gen_ai.response.model": words.model,
    "gen_ai.response.finish_reasons": words.finish && [words.finish],
    "gen_ai.response.time_to_first_chunk": seconds(startedAt, firstByteAt),
    ...usageAttributes(facts?.usage ?? null),
    ...serverAttributes(target.provider),
    "error.type": error?.class,
  });
}

/** What is said of a call. */
export function callAttributes(call: Call, settlement: Settlement): Attributes {
  const { wire, wireFeatures, group, attempts, startedAt } = call;
  const { facts, usage, cost, error, at } = settlement;
  const words = providerWords(facts);
  const fallback = attempts.findLast((attempt) => isFallback(call, attempt));
  const dialect = servingAttempt(call)?.target.dialect ?? call.dialect.name;
  const used = usage.source === "none" ? null : usage;
  return stated({
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": providerName(dialect),
    "gen_ai.request.model": group?.name,
    "gen_ai.response.model": words.model,
    "gen_ai.request.stream": wireFeatures?.stream,
    "gen_ai.request.max_tokens": wireFeatures?.outputCap,
    "gen_ai.request.temperature": wire && numberIn(wire, "temperature"),
    "gen_ai.request.top_p": wire && numberIn(wire, "top_p"),
    "gen_ai.output.type": wireFeatures && outputType(wireFeatures.structuredOutput),
    "gen_ai.response.finish_reasons": words.finish && [words.finish],
    "gen_ai.response.time_to_first_chunk": seconds(startedAt, call.firstContentAt),
    ...usageAttributes(used),
    "pointsman.request_id": call.id,
    "pointsman.group": group?.name,
    "pointsman.strategy": group?.strategy,
    "pointsman.cache": call.cache?.status ?? "bypass",
    "pointsman.attempts": attempts.length,
    "pointsman.fallback_reason": fallback && fallbackReason(call, fallback),
    "pointsman.error_origin": error && errorOrigin(error),
    "pointsman.cost_nusd": cost?.total == null ? undefined : Number(cost.total),
    "pointsman.overhead_us": Math.max(0, Math.round((at - startedAt - call.waitedMs) * 1000)),
    "error.type": error?.type,
  });
}

/** Whose conventions a target of a dialect follows. */
export function providerName(dialect: DialectName): string {
  return PROVIDERS[dialect];
}

function usageAttributes(usage: UsageReport | null) {
  return {
    "gen_ai.usage.input_tokens": usage?.input,
    "gen_ai.usage.output_tokens": usage?.output,
    "gen_ai.usage.cache_read.input_tokens": usage?.cachedInput,
    "gen_ai.usage.cache_creation.input_tokens": usage?.cacheWrite,
    "gen_ai.usage.image.input_tokens": usage?.image,
    "gen_ai.usage.reasoning.output_tokens": usage?.reasoning,
  };
}

/** Reading an address takes as long as the rest of an attempt's attributes. */
const serverAttributes = memoOfObject(({ baseUrl }: Provider) => addressOf(baseUrl));

/** A target in this process has no address. */
function addressOf(baseUrl: string): Attributes {
  const url = URL.parse(baseUrl);
  if (!url?.hostname) return {};
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  return { "server.address": url.hostname, "server.port": port };
}

const outputType = (structured: string) => structured === "none" ? "text" : "json";

const seconds = (from: number, to: number | null) => to === null ? undefined : (to - from) / 1000;

type Stated = Attributes[string] | null | "";

/** Attributes that have a value. */
function stated(attributes: Readonly<Record<string, Stated>>): Attributes {
  const known: Attributes = {};
  for (const name in attributes) {
    const value = attributes[name];
    if (value != null && value !== "") known[name] = value;
  }
  return known;
}
