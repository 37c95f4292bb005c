import type { ToolChoice } from "@/core/chat.ts";
import type { ToolChoiceMode } from "@/core/features.ts";
import { isObject, type Json } from "@/core/json.ts";
import { invalidField } from "./fields.ts";

/**
 * Reads a tool choice of the OpenAI dialects: absent, null, a word, a named tool, or a subset of the
 * tools with a mode of its own.
 */
export function openAiToolChoice(choice: Json | undefined): ToolChoiceMode {
  if (choice === undefined) return "omitted";
  if (choice === null) return "null";
  if (isObject(choice)) {
    if (choice["type"] !== "allowed_tools") return "named";
    const subset = isObject(choice["allowed_tools"]) ? choice["allowed_tools"] : choice;
    return subset["mode"] === "required" ? "required" : "auto";
  }
  if (typeof choice !== "string") throw invalidField("tool_choice", "a string or an object");
  return choice === "none" || choice === "required" ? choice : "auto";
}

/** Whether a choice demands a call. */
export function isForced(choice: ToolChoice | undefined): boolean {
  if (choice?.mode === "allowed") return choice.force;
  return choice?.mode === "required" || choice?.mode === "tool";
}
