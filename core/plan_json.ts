import { hash } from "node:crypto";
import { memo } from "./memo.ts";
import type { CheckedPlan, Plan } from "./strategy.ts";

const MAX_ENTRIES = 8;
const MAX_NAME = 64;
const MAX_TEXT = 256;

/**
 * A checked plan as records, fixtures, `explain` and replay have it: the same plan, the same bytes,
 * whichever way it was written.
 */
export function planJson(plan: Plan, { order, classLabel }: CheckedPlan): string {
  const [targetIndex, ...fallbackIndexes] = order;
  return JSON.stringify({
    targetIndex,
    fallbackIndexes,
    ...(classLabel === null ? {} : { classLabel }),
    ...(plan.metadata === undefined ? {} : { metadata: safeMetadata(plan.metadata) }),
  });
}

/** A plan with the SHA-256 of its metadata in their place. */
export function withDigest({ metadata, ...plan }: Plan): Plan {
  if (metadata === undefined) return plan;
  const text = JSON.stringify(safeMetadata(metadata));
  return { ...plan, metadata: { sha256: hash("sha256", text, "hex") } };
}

/** Plans whose digests are kept: those of a few come again and again. */
const MAX_PLANS = 1_024;

/** SHA-256 of a plan's JSON in hex. */
export const planDigest = memo((json: string) => hash("sha256", json, "hex"), MAX_PLANS);

/** What is nested or long drops out, and what is beyond eight entries. */
function safeMetadata(metadata: unknown): Readonly<Record<string, unknown>> {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return {};
  const entries = Object.entries(metadata)
    .filter(([name, value]) => name.length <= MAX_NAME && isShort(value));
  return Object.fromEntries(entries.slice(0, MAX_ENTRIES));
}

function isShort(value: unknown): boolean {
  if (typeof value === "string") return value.length <= MAX_TEXT;
  return value === null || typeof value === "boolean" ||
    (typeof value === "number" && Number.isFinite(value));
}
