import type { ModelCatalog } from "@/core/dialect.ts";
import type { JsonObject } from "@/core/json.ts";
import type { CatalogModel } from "@/core/listed_model.ts";
import { reasoningLevel } from "../openai_models.ts";

/** What Codex tells the model before anything else. */
const BASE_INSTRUCTIONS =
  "You are a coding agent in a terminal. Read before you change, keep changes small and in the " +
  "style of the code around them, and run what proves them. Say at the end what you did, and what " +
  "is left.";

/**
 * The file that `model_catalog_json` of the Codex CLI names. Codex refuses the whole file when one of
 * the keys of `requiredKeys` is missing or mistyped; keys that would change its wire format
 * (`use_responses_lite`, `prefer_websockets`, `supports_search_tool`) are never written.
 *
 * @see https://github.com/openai/codex/blob/main/codex-rs/protocol/src/openai_models.rs
 */
export const codexCatalog: ModelCatalog = {
  path: "/v1/codex/models.json",
  encode: (models) => ({
    models: models.map((model, index) => ({
      ...requiredKeys(model, index + 1),
      ...optionalKeys(model),
    })),
  }),
};

function requiredKeys({ id, displayName, reasoning }: CatalogModel, priority: number): JsonObject {
  return {
    slug: id,
    display_name: displayName,
    supported_reasoning_levels: (reasoning?.efforts ?? []).map(reasoningLevel),
    shell_type: "shell_command",
    visibility: "list",
    supported_in_api: true,
    priority,
    support_verbosity: false,
    experimental_supported_tools: [],
    truncation_policy: { mode: "tokens", limit: 10_000 },
    base_instructions: BASE_INSTRUCTIONS,
  };
}

function optionalKeys(model: CatalogModel): JsonObject {
  const { notes, contextTokens, images, tools, parallelToolCalls, reasoning } = model;
  return {
    ...(notes === null ? {} : { description: notes }),
    ...(contextTokens === null ? {} : { context_window: contextTokens }),
    input_modalities: images ? ["text", "image"] : ["text"],
    supports_parallel_tool_calls: parallelToolCalls,
    ...(tools ? { apply_patch_tool_type: "freeform" } : {}),
    supports_reasoning_summary_parameter: reasoning?.summaries ?? false,
    ...(reasoning && {
      default_reasoning_level: reasoning.defaultEffort,
      default_reasoning_summary: "none",
    }),
  };
}
