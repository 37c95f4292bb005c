import type { Strategy } from "../core/strategy.ts";
import { scoring, scoringFindings } from "./dynamic_score.ts";
import { presetOf, type ScoreKeys, scoreOptions } from "./score_options.ts";

/** `dynamic_score` that looks at the cost alone. */
export const cost: Strategy<ScoreKeys> = {
  name: "cost",
  options: scoreOptions,
  create: (options) => scoring(presetOf("cost_score", options)),
  findings: (options) => scoringFindings(presetOf("cost_score", options)),
};
