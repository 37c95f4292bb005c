import type { ChatRequest, Extra } from "@/core/chat.ts";
import type { DialectName } from "@/core/dialect_name.ts";
import type { JsonObject } from "@/core/json.ts";
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

/**
 * The events of hints that stay behind: wire fields of another dialect anywhere in a request. Each
 * name is reported once.
 */
export function droppedHints(request: ChatRequest, dialect: DialectName): FieldEvent[] {
  const fields = new Set<string>();
  const note = ({ beside, ...own }: Extra, prefix = "", besidePrefix = "") => {
    if (beside && !own[dialect]) noteAll(fields, beside, besidePrefix);
    for (const [name, members] of Object.entries(own)) {
      if (name !== dialect) noteAll(fields, members, prefix);
    }
  };
  note(request.extra);
  if (request.reasoning) note(request.reasoning.extra, reasoningPrefix(request.reasoning.extra));
  for (const tool of request.tools) note(tool.extra, "", "namespace.");
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

function noteAll(fields: Set<string>, members: JsonObject, prefix: string): void {
  for (const key of Object.keys(members)) {
    fields.add(HINTS.has(prefix + key) ? prefix + key : "other");
  }
}

/** The member that holds the caller's reasoning fields. */
function reasoningPrefix(extra: Extra): string {
  return extra.anthropic ? "thinking." : "reasoning.";
}
