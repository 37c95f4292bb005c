/** What a group is called in model lists. */
export interface ListedName {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly displayName: string;
  /** What its callers are told about it; `null`: nothing. */
  readonly notes: string | null;
}

/** A group as callers see it in model lists. */
export interface ListedModel extends ListedName {
  /** Smallest known context of the group's targets, tokens. */
  readonly contextTokens: number | null;
  /** Largest output cap the group's targets take, tokens. */
  readonly maxOutputTokens: number | null;
  /** `null` without reasoning. */
  readonly reasoning: ListedReasoning | null;
}

/** Reasoning of a group as callers see it. */
export interface ListedReasoning {
  readonly efforts: readonly string[];
  readonly defaultEffort: string;
  readonly summaries: boolean;
}

/** A group as the agents of a dialect may use it. */
export interface CatalogModel extends ListedModel {
  /** Whether a target reads images beside text. */
  readonly images: boolean;
  readonly tools: boolean;
  readonly parallelToolCalls: boolean;
}
