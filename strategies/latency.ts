import type { Strategy } from "../core/strategy.ts";
import { scoring, scoringFindings } from "./dynamic_score.ts";
import { presetOf, type ScoreKeys, scoreOptions } from "./score_options.ts";

/** `dynamic_score` that looks at the latency alone. */
export const latency: Strategy<ScoreKeys> = {
  name: "latency",
  options: scoreOptions,
  create: (options) => scoring(presetOf("latency_score", options)),
  findings: (options) => scoringFindings(presetOf("latency_score", options)),
};
