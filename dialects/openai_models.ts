import type { JsonObject } from "@/core/json.ts";
import type { ListedModel, ListedReasoning } from "@/core/listed_model.ts";

/** The model list of the OpenAI paths; it has no paging. */
export function encodeOpenAiModelList(models: readonly ListedModel[]): JsonObject {
  return { object: "list", data: models.map(encodeOpenAiModel) };
}

/** One model of the OpenAI paths; `created` is in Unix seconds. */
export function encodeOpenAiModel(model: ListedModel): JsonObject {
  const { id, created, reasoning } = model;
  const plain = { id, object: "model", created, owned_by: "pointsman" };
  return reasoning ? { ...plain, ...reasoningFields(reasoning) } : plain;
}

/** One reasoning effort, as model lists and catalogs write it. */
export function reasoningLevel(effort: string): JsonObject {
  return { effort, description: `Reasoning effort: ${effort}` };
}

function reasoningFields({ efforts, defaultEffort, summaries }: ListedReasoning): JsonObject {
  return {
    supported_reasoning_levels: efforts.map(reasoningLevel),
    default_reasoning_level: defaultEffort,
    default_reasoning_summary: "none",
    supports_reasoning_summaries: summaries,
  };
}
