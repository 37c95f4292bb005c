import { bridgeReasons } from "./bridge_features.ts";
import type { DecodedRequest } from "./dialect.ts";
import type { DialectName } from "./dialect_name.ts";
import type { RequestFeatures } from "./features.ts";
import type { Group, Target } from "./snapshot.ts";

/** Sizes from which a request is a large coding-agent payload: bytes of body, tokens, bytes of tools. */
const LARGE = { requestBytes: 262_144, estimatedInputTokens: 65_536, toolSchemaBytes: 65_536 };

/** Reason of the one rule that can make a refusal a context-length error. */
export const CONTEXT_EXCEEDED = "request-shape-context-exceeded";

/** A request as the rules see it. */
export interface Asked {
  readonly dialect: DialectName;
  readonly features: RequestFeatures;
  readonly unknownLimits: Group["unknownLimits"];
  /** Only a cost that can be known can be limited. */
  readonly costLimited: boolean;
  /** The request in the neutral form, `null` if it has none; only targets behind a bridge ask. */
  decoded(): DecodedRequest | null;
}

/** One rule: the labels under which it rejects a target; none when the target passes. */
type Rule = (target: Target, asked: Asked) => readonly string[];

const when = (rejects: boolean, label: string): readonly string[] => rejects ? [label] : NONE;
const NONE: readonly string[] = [];

const lacks = (target: Target, { dialect }: Asked, support: string) =>
  !target.toolSupport[dialect].includes(support);

/** True when a declared limit is passed. */
const over = (value: number, limit: number | null) => limit !== null && value > limit;

/** The rules, in the order in which reasons are listed. Labels are a closed list and hold no data. */
const RULES: readonly Rule[] = [
  (target) => when(target.provider.credentialMissing, "credential-missing"),
  (target, { dialect }) => when(!takesCallersOf(target, dialect), "dialect-not-accepted"),
  (target, asked) =>
    isBridged(target, asked)
      ? bridgeReasons(asked.decoded()?.barriers ?? ["other"], target.dialect)
      : NONE,
  (target, { features }) => when(target.toolOnly && features.toolCount === 0, "tool-only-target"),
  (target, asked) =>
    when(asked.features.toolCount > 0 && lacks(target, asked, "tools"), "tool-support"),
  (target, asked) =>
    when(
      asked.features.toolChoice !== "omitted" && lacks(target, asked, "tool_choice"),
      "tool-choice-support",
    ),
  (target, asked) =>
    when(
      asked.features.parallelToolCalls !== null && lacks(target, asked, "parallel_tool_calls"),
      "parallel-tool-calls-support",
    ),
  (target, asked) =>
    when(
      asked.features.structuredOutput !== "none" && lacks(target, asked, "structured_outputs"),
      "structured-output-support",
    ),
  (target, { features }) =>
    missing(features.inputModalities, target.inputModalities, "input-modality-"),
  (target, { features }) =>
    missing(features.outputModalities, target.outputModalities, "output-modality-"),
  (target, { features }) =>
    when(
      target.shape.requiredInputModalities.some((kind) => !features.inputModalities.includes(kind)),
      "request-shape-required-input-modality",
    ),
  (target, asked) =>
    when(
      asked.features.reasoning.requested && !target.reasoning.supported &&
        !(isBridged(target, asked) && permitsReasoning(asked.decoded())),
      "reasoning-support",
    ),
  (target, { features }) =>
    when(features.outputCap !== null && !target.honorsMaxTokens, "max-tokens-honored"),
  (target, { features }) =>
    when(
      features.outputCap !== null &&
        features.outputCap < (target.shape.minRequestedOutputTokens ?? 0),
      "request-shape-min-output-tokens",
    ),
  (target, { features }) =>
    when(
      features.outputCap !== null &&
        over(features.outputCap, target.shape.maxRequestedOutputTokens),
      "request-shape-max-output-tokens",
    ),
  (target, { features }) =>
    when(
      over(features.estimatedInputTokens + features.reservedOutputTokens, target.contextTokens),
      CONTEXT_EXCEEDED,
    ),
  (target, { features }) =>
    when(
      over(features.requestBytes, target.shape.maxRequestBytes),
      "request-shape-max-request-bytes",
    ),
  (target, { features }) =>
    when(
      over(features.estimatedInputTokens, target.shape.maxEstimatedInputTokens),
      "request-shape-max-input-tokens",
    ),
  (target, { features }) =>
    when(
      over(features.toolSchemaBytes, target.shape.maxToolSchemaBytes),
      "request-shape-tool-schema-bytes",
    ),
  (target, { features }) =>
    when(
      !target.shape.supportsLargeCodingAgentPayloads && isLarge(features),
      "request-shape-large-payload",
    ),
  (target, { features }) =>
    when(
      target.shape.unsupportedRequestFeatures.size > 0 &&
        FEATURE_NAMES.some(([name, present]) =>
          target.shape.unsupportedRequestFeatures.has(name) && present(features)
        ),
      "request-shape-unsupported-feature",
    ),
  (target, { unknownLimits }) =>
    when(
      unknownLimits === "reject" && target.contextTokens === null,
      "request-shape-limit-unknown",
    ),
  ({ prices }, { costLimited }) =>
    when(costLimited && (prices.input === null || prices.output === null), "price-unknown"),
];

/** What `unsupported_request_features` may name, and when a request has it. */
const FEATURE_NAMES: readonly (readonly [string, (features: RequestFeatures) => boolean])[] = [
  ["previous_response_id", (features) => features.previousResponseId],
  ["function_call_output", (features) => features.hasToolResults],
  ["stream_options", (features) => features.streamOptions],
  ["tool_choice", (features) => features.toolChoice !== "omitted"],
  ["forced_tool_choice", isForced],
  ["parallel_tool_calls", (features) => features.parallelToolCalls !== null],
  ["hosted_tools", (features) => features.hostedTools.length > 0],
];

function isForced({ toolChoice }: RequestFeatures): boolean {
  return toolChoice === "required" || toolChoice === "named";
}

/** Whether callers of a dialect can reach a target. */
export function takesCallersOf({ dialect, inboundDialects }: Target, name: DialectName): boolean {
  return dialect === name || inboundDialects.includes(name);
}

/** Whether a target is reached over a bridge that it offers. */
function isBridged(target: Target, { dialect }: Asked): boolean {
  return target.dialect !== dialect && target.inboundDialects.includes(dialect);
}

/** Adaptive thinking is a permission: over a bridge any target serves it, with or without. */
function permitsReasoning(decoded: DecodedRequest | null): boolean {
  return decoded?.request.reasoning?.mode === "adaptive";
}

function isLarge(features: RequestFeatures): boolean {
  return features.requestBytes >= LARGE.requestBytes ||
    features.estimatedInputTokens >= LARGE.estimatedInputTokens ||
    features.toolSchemaBytes >= LARGE.toolSchemaBytes;
}

function missing(
  asked: readonly string[],
  declared: readonly string[],
  prefix: string,
): readonly string[] {
  if (asked.every((kind) => declared.includes(kind))) return NONE;
  return asked.filter((kind) => !declared.includes(kind)).map((kind) => prefix + kind);
}

/**
 * Every reason why a target cannot serve a request, in the order of the rules; empty when it can. A
 * declared capability is a permission: absent means "no". Only unknown size limits differ.
 */
export function rejections(target: Target, asked: Asked): readonly string[] {
  let reasons: readonly string[] | null = null;
  for (const rule of RULES) {
    const labels = rule(target, asked);
    if (labels.length > 0) reasons = [...reasons ?? NONE, ...labels];
  }
  return reasons ?? NONE;
}

/** What a request requires, as `no-eligible-target` and policies name it, in their order. */
const REQUIREMENTS: readonly (readonly [string, (features: RequestFeatures) => boolean])[] = [
  ...["text", "image", "audio", "video", "file"].map((kind) =>
    [kind, (features: RequestFeatures) => features.inputModalities.includes(kind)] as const
  ),
  ["tools", (features) => features.toolCount > 0],
  ["tool_choice", (features) => features.toolChoice !== "omitted"],
  ["forced_tool_choice", isForced],
  ["parallel_tool_calls", (features) => features.parallelToolCalls !== null],
  ["structured_outputs", (features) => features.structuredOutput !== "none"],
  ["reasoning", (features) => features.reasoning.requested],
  ["max_tokens", (features) => features.outputCap !== null],
  ["previous_response_id", (features) => features.previousResponseId],
  ["hosted_tools", (features) => features.hostedTools.length > 0],
];

/** What a request requires: names of a closed list. */
export function requirementsOf(features: RequestFeatures): readonly string[] {
  const names: string[] = [];
  for (const [name, required] of REQUIREMENTS) if (required(features)) names.push(name);
  return names;
}
