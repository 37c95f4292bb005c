import { memoOfObject } from "./memo.ts";
import { DAY_MS } from "./period.ts";
import type { Prices, Target } from "./snapshot.ts";
import type { TargetSignals, TargetView } from "./strategy.ts";

/** A target as strategies see it: an allow-list of facts, without secrets or addresses. */
export function viewOf(
  target: Target,
  index: number,
  { signals, now }: { readonly signals: TargetSignals; readonly now: number },
): TargetView {
  // A literal that begins with a spread is a plain copy; the order of members is the first one's.
  return { ...staticsOf(target), index, validation: validationAt(target, now), signals };
}

/** What never changes of a target, with `index` 0: made once, as targets live as long as their snapshot. */
export const staticsOf = memoOfObject(staticView);

function validationAt({ validation }: Target, now: number): TargetView["validation"] {
  if (validation === null) return null;
  const { status, validatedAt, qualityScore, passRate } = validation;
  const ageDays = validatedAt === null ? null : Math.floor((now - validatedAt) / DAY_MS);
  return { status, ageDays, qualityScore, passRate };
}

function staticView(target: Target): Omit<TargetView, "signals" | "validation"> {
  const { supported, mode, control } = target.reasoning;
  return {
    index: 0,
    groupIndex: target.groupIndex,
    id: target.id,
    provider: target.provider.name,
    model: target.model,
    modelRef: target.modelRef,
    dialect: target.dialect,
    displayName: target.displayName,
    tier: target.tier,
    region: target.region,
    tags: target.tags,
    weight: target.weight,
    toolOnly: target.toolOnly,
    keyId: target.provider.keyId || null,
    honorsMaxTokens: target.honorsMaxTokens,
    contextTokens: target.contextTokens,
    inputModalities: target.inputModalities,
    outputModalities: target.outputModalities,
    toolSupport: target.toolSupport,
    reasoning: supported ? { mode, control } : null,
    prices: pricesView(target.prices),
  };
}

function pricesView(prices: Prices): TargetView["prices"] {
  const number = (price: bigint | null) => price === null ? null : Number(price);
  return {
    input: number(prices.input),
    cachedInput: number(prices.cachedInput),
    cacheWrite: number(prices.cacheWrite),
    output: number(prices.output),
    image: number(prices.image),
    perImage: number(prices.perImage),
  };
}
