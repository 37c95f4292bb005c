import type { ChatRequest, Extra } from "@/core/chat.ts";
import type { DialectName } from "@/core/dialect_name.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { FieldEvent } from "@/core/wire.ts";

/** Fields of the wire formats that a bridge may drop, by name; any other one is `other`. */
const HINTS: ReadonlySet<string> = new Set([
  "allowed_callers",
  "background",
  "caller",
  "client_metadata",
  "context_management",
  "defer_loading",
  "diagnostics",
  "eager_input_streaming",
  "extra_content",
  "id",
  "include",
  "input_examples",
  "logit_bias",
  "logprobs",
  "max_completion_tokens",
  "max_tool_calls",
  "metadata",
  "modalities",
  "n",
  "namespace.description",
  "phase",
  "prompt_cache_options",
  "prompt_cache_retention",
  "reasoning.context",
  "reasoning.mode",
  "safety_identifier",
  "service_tier",
  "speed",
  "status",
  "store",
  "stream_options",
  "thinking.display",
  "top_logprobs",
  "transformations",
  "truncation",
  "user_profile_id",
  "web_search_options",
  "workspace_id",
]);

/** What decoders keep beside wire fields, to write their own dialect back as it came. */
const MARKS: ReadonlySet<string> = new Set(["role", "whole"]);

/** Members under which decoders keep the fields of a smaller or a larger thing, and what precedes those. */
const HOLDERS: Readonly<Record<string, string>> = { about: "namespace.", piece: "" };

/**
 * The events of hints that stay behind: wire fields of another dialect anywhere in a request. Each
 * name is reported once.
 */
export function droppedHints(request: ChatRequest, dialect: DialectName): FieldEvent[] {
  const fields = new Set<string>();
  const note = (extra: Extra, prefix = "") => {
    for (const [name, members] of Object.entries(extra)) {
      if (name === dialect) continue;
      for (const field of hintNames(members, prefix)) fields.add(field);
    }
  };
  note(request.extra);
  if (request.reasoning) note(request.reasoning.extra, reasoningPrefix(request.reasoning.extra));
  for (const tool of request.tools) note(tool.extra);
  for (const part of request.instructions) note(part.extra);
  for (const message of request.messages) {
    note(message.extra);
    for (const part of message.parts) {
      note(part.extra);
      if (part.type === "tool_result") { for (const inner of part.parts) note(inner.extra); }
    }
  }
  return [...fields].map((field) => ({ field, action: "stripped", reason: "no-counterpart" }));
}

function hintNames(members: JsonObject, prefix: string): readonly string[] {
  return Object.entries(members).flatMap(([key, member]) => {
    if (MARKS.has(key)) return [];
    if (Object.hasOwn(HOLDERS, key)) return heldNames(member, HOLDERS[key]!);
    return HINTS.has(prefix + key) ? [prefix + key] : ["other"];
  });
}

function heldNames(held: Json | undefined, prefix: string): readonly string[] {
  return isObject(held) ? hintNames(held, prefix) : ["other"];
}

/** The member that holds the caller's reasoning fields. */
function reasoningPrefix(extra: Extra): string {
  return extra.anthropic ? "thinking." : "reasoning.";
}
