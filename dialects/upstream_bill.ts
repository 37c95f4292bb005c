import { isObject, type Json, type JsonObject, objectOrEmpty } from "@/core/json.ts";
import type { UpstreamBill } from "@/core/usage.ts";

const NANO = 1e9;
/** xAI counts in units of 1e-10 USD. */
const TICKS_PER_NANO = 10;

/**
 * Reads what a provider bills, from the `usage` of its reply: USD in `cost` (OpenRouter) or in its
 * members (Perplexity), or `cost_in_usd_ticks` (xAI). What is no amount counts as not reported.
 *
 * @see https://openrouter.ai/docs/use-cases/usage-accounting
 * @see https://docs.perplexity.ai/api-reference/chat-completions-post
 * @see https://docs.x.ai/docs/models
 */
export function upstreamBill(usage: Json | undefined): { readonly bill?: UpstreamBill } {
  if (!isObject(usage) || !("cost" in usage || "cost_in_usd_ticks" in usage)) return {};
  const bill = billOf(usage);
  return Object.values(bill).every((amount) => amount === null) ? {} : { bill };
}

function billOf(usage: JsonObject): UpstreamBill {
  const parts = objectOrEmpty(usage["cost"]);
  return {
    input: nanoUsd(parts["input_tokens_cost"], NANO),
    output: nanoUsd(parts["output_tokens_cost"], NANO),
    total: nanoUsd(parts["total_cost"] ?? usage["cost"], NANO) ??
      nanoUsd(usage["cost_in_usd_ticks"], 1 / TICKS_PER_NANO),
  };
}

function nanoUsd(amount: Json | undefined, factor: number): number | null {
  if (typeof amount !== "number") return null;
  const nusd = Math.round(amount * factor);
  return Number.isSafeInteger(nusd) && nusd >= 0 ? nusd : null;
}
