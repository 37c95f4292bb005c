import type { BodyShape, BodySign } from "@/core/features.ts";
import type { JsonObject } from "@/core/json.ts";
import type { Tally } from "./tally.ts";

/** What only the dialect knows of its body. */
export interface OwnShape {
  /** Messages, or the items of an input. */
  readonly turns: readonly JsonObject[];
  readonly inputItems?: number;
  /** System text that stands beside the turns. */
  readonly systemText: boolean;
  readonly functionCallOutputs?: number;
  readonly responseFormat: boolean;
}

/** Members of a body that are signs by being there. */
const MEMBERS = ["include", "store", "truncation"] as const;

/** Counts what a body is made of, for reports; its content stays behind. */
export function bodyShape(body: JsonObject, tally: Tally, own: OwnShape): BodyShape {
  const roles: Record<string, number> = { assistant: 0, developer: 0, system: 0 };
  for (const { role } of own.turns) {
    if (typeof role === "string" && Object.hasOwn(roles, role)) roles[role]! += 1;
  }
  const present: BodySign[] = MEMBERS.filter((name) => (body[name] ?? null) !== null);
  if (own.responseFormat) present.push("response_format");
  if (tally.videoCount > 0) present.push("video");
  if (tally.cacheMarks || body["cache_control"]) present.push("cache_control");
  return {
    inputTextBytes: tally.textBytes,
    inputItems: own.inputItems ?? 0,
    systemMessages: roles["system"]! + Number(own.systemText),
    developerMessages: roles["developer"]!,
    assistantMessages: roles["assistant"]!,
    toolResults: tally.toolResults,
    functionCallOutputs: own.functionCallOutputs ?? 0,
    present,
  };
}
