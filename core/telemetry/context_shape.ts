import { isObject, type JsonObject } from "../json.ts";
import type { SeenContext } from "./recorded_context.ts";

/** What a member must be; with `?` it may be null. */
type Kind = "array" | "boolean" | "number" | "object" | "string";
type Members = Readonly<Record<string, Kind | `${Kind}?`>>;

const CONTEXT: Members = {
  version: "number",
  requestId: "string",
  group: "string",
  now: "number",
  seed: "number",
  dialect: "string",
  features: "object",
  requirements: "array",
  caller: "object",
  contract: "object?",
  conversationKey: "string?",
  conversationKeySource: "string",
  pinnedIndex: "number?",
  budget: "object",
  targets: "array",
  rejected: "array",
};

/** Those that decisions look at. */
const FEATURES: Members = {
  stream: "boolean",
  toolCount: "number",
  imageCount: "number",
  structuredOutput: "string",
  outputCap: "number?",
  reasoning: "object",
  estimatedInputTokens: "number",
  reservedOutputTokens: "number",
  complexity: "string",
};

const TARGET: Members = { groupIndex: "number", validation: "object?", signals: "object" };

const SIGNALS: Members = {
  inflight: "number",
  observations: "number",
  successes: "number",
  p50LatencyMs: "number?",
  p95LatencyMs: "number?",
  p50TtfbMs: "number?",
  outputTokensPerSec: "number?",
  errorRate: "number?",
  timeoutRate: "number?",
  meanOutputTokens: "number?",
  cachedInputShare: "number?",
  inputTokenRatio: "number?",
  breaker: "string",
};

/** Whether a value has the members of a context that was seen, so that it can be decided about. */
export function isSeenContext(value: unknown): value is SeenContext {
  if (!has(value, CONTEXT)) return false;
  const { features, caller, budget, targets, pinnedIndex } = value;
  return has(features, FEATURES) && has(caller, { id: "string" }) &&
    has(budget, { pressure: "number" }) && Array.isArray(targets) && targets.length > 0 &&
    targets.every((target) => has(target, TARGET) && has(target["signals"], SIGNALS)) &&
    (pinnedIndex === null || Number(pinnedIndex) < targets.length);
}

function has(value: unknown, members: Members): value is JsonObject {
  if (!isObject(value)) return false;
  for (const name in members) {
    const kind = members[name]!;
    const found = value[name];
    if (found === null ? !kind.endsWith("?") : !kind.startsWith(kindOf(found))) return false;
  }
  return true;
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "array" : typeof value;
}
