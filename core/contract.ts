import type { Contract } from "./contract_terms.ts";
import { DIALECT_NAMES, type DialectName } from "./dialect_name.ts";
import { takesCallersOf } from "./eligibility.ts";
import type { RequestFeatures } from "./features.ts";
import { DAY_MS } from "./period.ts";
import type { Target } from "./snapshot.ts";
import type { RouteContext, TargetSignals } from "./strategy.ts";

/** Attempts from which on what was observed of a target counts. */
const ENOUGH = 20;

/** A call as a contract sees it. */
export interface Promised {
  readonly dialect: DialectName;
  readonly features: Pick<RequestFeatures, "outputCap">;
  /** Epoch ms. */
  readonly now: number;
  signals(target: Target): TargetSignals;
}

/** What the contract of a group asks of a target, in the order of its labels. */
type Clause = (target: Target, contract: Contract, promised: Promised) => boolean;

const CLAUSES: readonly (readonly [string, Clause])[] = [
  [
    "contract-required-api-shape",
    (_, { shapes }, { dialect }) => shapes !== null && !shapes.includes(dialect),
  ],
  [
    "contract-required-modality",
    ({ inputModalities, outputModalities }, { required }) =>
      lacksOne(required.inputModalities, inputModalities) ||
      lacksOne(required.outputModalities, outputModalities),
  ],
  [
    "contract-required-tools",
    ({ toolSupport }, { required }, { dialect }) =>
      lacksOne(required.toolFeatures, toolSupport[dialect]),
  ],
  ["contract-required-capability", lacksCapability],
  ["contract-quality-floor", isBelowFloor],
  [
    "contract-validation-expired",
    (target, { floor, serveExpired }, { now }) => !serveExpired && isExpired(target, floor, now),
  ],
  [
    "contract-no-validated-target",
    ({ validation }, { floor }) => validation === null && asksValidation(floor),
  ],
  ["contract-operational", isTooSlow],
  [
    "contract-region",
    ({ region }, { regions }) => regions !== null && !regions.includes(region ?? ""),
  ],
];

/** Labels under which a contract rejects a target; none when the target keeps it. */
export function contractReasons(
  target: Target,
  contract: Contract,
  promised: Promised,
): readonly string[] {
  return CLAUSES.flatMap(([label, breaks]) => breaks(target, contract, promised) ? [label] : []);
}

/**
 * Whether a target keeps a contract at a time (epoch ms) for callers of one dialect at least, what is
 * observed of it and what a caller asks for aside.
 */
export function keepsContract(target: Target, contract: Contract, now: number): boolean {
  const promised = {
    features: { outputCap: null },
    now,
    signals: () => {
      throw new TypeError("Cannot observe a target without a call");
    },
  };
  return DIALECT_NAMES.some((dialect) =>
    takesCallersOf(target, dialect) &&
    contractReasons(target, { ...contract, targets: null }, { ...promised, dialect }).length === 0
  );
}

/** How the evaluation of a target stands under a contract: `ok` where it does not age. */
export type EvaluationState = "ok" | "expiring" | "expired";

/** How the evaluation of a target stands at a time, epoch ms. */
export function evaluationAt(
  target: Target,
  { floor, warnDays }: Contract,
  now: number,
): EvaluationState {
  const at = expiresAt(target, floor);
  if (at === null || at - now > warnDays * DAY_MS) return "ok";
  return now < at ? "expiring" : "expired";
}

function lacksOne(asked: readonly string[], declared: readonly string[]): boolean {
  return asked.some((name) => !declared.includes(name));
}

function lacksCapability(
  { toolSupport, reasoning, contextTokens, honorsMaxTokens }: Target,
  { required }: Contract,
  { dialect, features }: Promised,
): boolean {
  return (required.structuredOutputs && !toolSupport[dialect].includes("structured_outputs")) ||
    (required.reasoning && !reasoning.supported) ||
    (contextTokens ?? 0) < required.minContextTokens ||
    (required.honorsCaps && features.outputCap !== null && !honorsMaxTokens);
}

function isBelowFloor({ tags, validation }: Target, { floor }: Contract): boolean {
  if (lacksOne(floor.requireTags, tags)) return true;
  if (validation === null) return false;
  const { status, qualityScore, passRate } = validation;
  return isLower(qualityScore, floor.minQualityScore) || isLower(passRate, floor.minPassRate) ||
    (floor.statuses.length > 0 && !floor.statuses.includes(status));
}

function isLower(value: number | null, least: number | null): boolean {
  return least !== null && (value ?? -1) < least;
}

function asksValidation(floor: Contract["floor"]): boolean {
  return floor.minQualityScore !== null || floor.minPassRate !== null ||
    floor.maxAgeDays !== null || floor.statuses.length > 0;
}

/** When an evaluation is too old, epoch ms; `null`: never. One without a date is too old at once. */
export function expiresAt(
  { validation }: Target,
  { maxAgeDays }: Contract["floor"],
): number | null {
  if (validation === null || maxAgeDays === null) return null;
  return validation.validatedAt === null ? 0 : validation.validatedAt + (maxAgeDays + 1) * DAY_MS;
}

function isExpired(target: Target, floor: Contract["floor"], now: number): boolean {
  const at = expiresAt(target, floor);
  return at !== null && now >= at;
}

function isTooSlow(target: Target, { targets }: Contract, { signals }: Promised): boolean {
  if (targets === null) return false;
  const seen = signals(target);
  if (seen.observations < ENOUGH) return false;
  return isOver(seen.p95LatencyMs, targets.maxP95LatencyMs) ||
    isOver(seen.errorRate, targets.maxErrorRate) ||
    isOver(seen.timeoutRate, targets.maxTimeoutRate) ||
    (seen.outputTokensPerSec !== null &&
      isLower(seen.outputTokensPerSec, targets.minOutputTokensPerSec));
}

function isOver(value: number | null, most: number | null): boolean {
  return value !== null && most !== null && value > most;
}

/** A contract as policies see it. */
export function contractView({ intendedWorkloads, floor }: Contract): RouteContext["contract"] {
  return {
    intendedWorkloads,
    requireTags: floor.requireTags,
    minEvalQualityScore: floor.minQualityScore,
  };
}
