import { GatewayError } from "@/core/errors.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";

/** Tools that a provider would run against other systems; refused whatever the target. */
const FORBIDDEN = /^(mcp|sse|file_search|code_interpreter|programmatic_tool_calling|mcp_toolset)$/;
const CODE_EXECUTION = /^code_execution_/;
const COMPUTER = /^computer/;
/** A tool with one of these reaches out, whatever its type. */
const REMOTE_KEYS = ["server_url", "url", "connector_id", "container"] as const;

/** Hosted search and image tools of the OpenAI dialects: passed or removed by target. */
export const isHostedOpenAiTool = (type: string): boolean =>
  type.startsWith("web_search") || type.startsWith("image_generation");

/** Hosted tools of Anthropic: never removed. */
export const isHostedAnthropicTool = (type: string): boolean =>
  /^(web_search_|web_fetch_|tool_search_tool_)/.test(type);

/** Type of a tool or a tool choice; empty when it has none. */
export function typeOf(value: Json | undefined): string {
  return textOrEmpty(objectOrEmpty(value)["type"]);
}

/**
 * Refuses hosted tools that reach other systems, in `tools`, in namespaces and in a tool choice.
 *
 * @throws {GatewayError} `provider-hosted-tools-forbidden` with the sorted `details.tool_types`
 */
export function refuseForbiddenTools(
  tools: readonly JsonObject[],
  options: { readonly choice?: Json | undefined; readonly computer: boolean },
): void {
  const isForbidden = (type: string) =>
    FORBIDDEN.test(type) || CODE_EXECUTION.test(type) || (options.computer && COMPUTER.test(type));
  const found = new Set<string>();
  for (const tool of flatten(tools)) {
    const type = typeOf(tool);
    const remote = REMOTE_KEYS.some((key) => (tool[key] ?? null) !== null);
    if (remote || isForbidden(type)) found.add(type || "function");
  }
  const chosen = typeOf(options.choice);
  if (isForbidden(chosen)) found.add(chosen);
  if (found.size > 0) throw forbiddenTools([...found]);
}

/** The 400 that names the types of hosted tools a request may not use. */
export function forbiddenTools(types: readonly string[]): GatewayError {
  const known = namesOf(types);
  return new GatewayError(
    "provider-hosted-tools-forbidden",
    `Cannot use provider-hosted tools: ${known.join(", ")}`,
    { tool_types: known },
  );
}

/** Sorted distinct names of the types that `isHosted` accepts, at most 32. */
export function hostedTypes(
  tools: readonly JsonObject[],
  isHosted: (type: string) => boolean,
): readonly string[] {
  return namesOf(tools.map(typeOf).filter(isHosted)).slice(0, MAX_TYPES);
}

/** Tools with the ones inside namespaces. */
function flatten(tools: readonly JsonObject[]): JsonObject[] {
  return tools.flatMap((tool) => {
    const inner = typeOf(tool) === "namespace" ? tool["tools"] : undefined;
    return Array.isArray(inner) ? [tool, ...flatten(inner.filter(isObject))] : [tool];
  });
}

/** Most types that are told of a request. */
const MAX_TYPES = 32;

/** Types as they may be told and stored, each once, sorted: what is no name may be a caller's words. */
function namesOf(types: readonly string[]): readonly string[] {
  const names = types.map((type) => /^\w{1,64}$/.test(type) ? type : "other");
  return [...new Set(names)].sort();
}
