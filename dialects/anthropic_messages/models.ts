import type { JsonObject } from "@/core/json.ts";
import type { ListedModel } from "@/core/listed_model.ts";

/** Models of a page unless the caller asks for more, and the most it may ask for. */
const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1_000;

/**
 * A page of the model list of the Messages paths; `query` may hold `limit`, `after_id`, `before_id`.
 *
 * @see https://docs.anthropic.com/en/api/models-list
 */
export function encodeAnthropicModelList(
  models: readonly ListedModel[],
  query: URLSearchParams,
): JsonObject {
  const { page, hasMore } = pageOf(models, query);
  return {
    data: page.map(encodeAnthropicModel),
    has_more: hasMore,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  };
}

/** One model of the Messages paths; what is not known is null. */
export function encodeAnthropicModel(model: ListedModel): JsonObject {
  return {
    type: "model",
    id: model.id,
    display_name: model.displayName,
    created_at: new Date(model.created * 1_000).toISOString().replace(".000Z", "Z"),
    lifecycle: "active",
    max_input_tokens: model.contextTokens,
    max_tokens: model.maxOutputTokens,
    capabilities: null,
    deprecated_at: null,
    line: null,
    retires_at: null,
  };
}

function pageOf(models: readonly ListedModel[], query: URLSearchParams) {
  const limit = limitOf(query.get("limit"));
  const after = models.findIndex(({ id }) => id === query.get("after_id"));
  const before = models.findIndex(({ id }) => id === query.get("before_id"));
  if (before !== -1) {
    const start = Math.max(0, before - limit);
    return { page: models.slice(start, before), hasMore: start > 0 };
  }
  const end = after + 1 + limit;
  return { page: models.slice(after + 1, end), hasMore: end < models.length };
}

function limitOf(value: string | null): number {
  const limit = value !== null && /^\d{1,9}$/.test(value) ? Number(value) : DEFAULT_LIMIT;
  return Math.min(Math.max(limit, 1), MAX_LIMIT);
}
