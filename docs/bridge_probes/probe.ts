import type { JsonObject } from "@/core/json.ts";

/** One thing a caller can say, shown by a body that says it and otherwise as little as possible. */
export interface Probe {
  /** As the published matrix names it. */
  readonly field: string;
  /** Members of the body beside the smallest one of the dialect. */
  readonly body: JsonObject;
  /** Members that must be there for the field to mean something; the body without the field. */
  readonly without?: JsonObject;
  /** What serves it when the target's body needs nothing for it. */
  readonly served?: string;
}
