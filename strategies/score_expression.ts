/** Every score that an expression may name. */
const SCORE_NAMES = [
  "complexity_score",
  "cost_score",
  "eval_quality_score",
  "latency_score",
  "load_score",
  "reliability_score",
  "throughput_score",
] as const;

/** A number in [0, 1] that says how good a target is in one respect. */
export type ScoreName = typeof SCORE_NAMES[number];

/** One summand of an expression. */
export interface ScoreTerm {
  readonly coefficient: number;
  readonly score: ScoreName;
}

const MAX_TERMS = 16;
const TERM = /^(?:(\d+(?:\.\d+)?)\s*\*\s*)?([a-z_]+)$/;

/**
 * Reads `0.5*cost_score + 0.3*latency_score - load_score`; gives the terms, or what is wrong with it.
 *
 * @example Usage
 * ```ts
 * import { readExpression } from "@/strategies/score_expression.ts";
 *
 * const terms = readExpression("0.5*cost_score - load_score");
 * if (typeof terms === "string" || terms[1]?.coefficient !== -1) throw new Error("Cannot read");
 * ```
 */
export function readExpression(text: string): readonly ScoreTerm[] | string {
  const pieces = text.trim().split(/\s*([+-])\s*/);
  if (pieces.length > 2 * MAX_TERMS) return `expected at most ${MAX_TERMS} terms`;
  const terms: ScoreTerm[] = [];
  for (let at = 0; at < pieces.length; at += 2) {
    const [, factor = "1", name] = TERM.exec(pieces[at] ?? "") ?? [];
    const score = SCORE_NAMES.find((known) => known === name);
    if (!score) {
      return `expected terms such as 0.5*cost_score; scores are ${SCORE_NAMES.join(", ")}`;
    }
    terms.push({
      coefficient: (at > 0 && pieces[at - 1] === "-" ? -1 : 1) * Number(factor),
      score,
    });
  }
  return terms;
}
