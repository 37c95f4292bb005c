import { isObject, type Json } from "@/core/json.ts";
import { scanElements, scanMembers } from "@/core/scan.ts";
import type { Target } from "@/core/snapshot.ts";
import { type EditNote, type MemberEditor, removeItems } from "@/core/splice.ts";
import type { Edit, WireRequest } from "@/core/wire.ts";
import { forbiddenTools, isHostedOpenAiTool, typeOf } from "./hosted_tools.ts";
import { openAiToolChoice } from "./tool_choice.ts";

const TOOLS: EditNote = { field: "tools", action: "stripped" };
const CHOICE: EditNote = { field: "tool_choice", action: "stripped" };

/**
 * Removes hosted search and image tools, and with the last tool `tools` and what is said about
 * choosing among them, unless the target runs hosted tools.
 *
 * @throws {GatewayError} `provider-hosted-tools-forbidden` when the tool choice forces a removed tool
 */
export function hostedToolEdits(request: WireRequest, target: Target, edit: MemberEditor): Edit[] {
  const { body, bytes, members } = request;
  if (target.toolSupport[target.dialect].includes("hosted_tools")) return [];
  const member = members.get("tools");
  const tools: readonly Json[] = Array.isArray(body["tools"]) ? body["tools"] : [];
  const notes = tools.map((tool) => isHostedOpenAiTool(typeOf(tool)) ? TOOLS : undefined);
  const choice = body["tool_choice"];
  if (isHostedOpenAiTool(typeOf(choice))) throw forbiddenTools([typeOf(choice)]);
  edit.remove("web_search_options", "web_search_options");
  if (!member || notes.every((note) => note === undefined)) return [];
  if (notes.includes(undefined)) {
    const kept = removeItems(bytes, scanElements(bytes, member.start, member.end), notes);
    return [...kept, ...chosenToolEdits(request, edit)];
  }
  if (isForced(choice)) throw forbiddenTools([...new Set(tools.map(typeOf))]);
  edit.remove("tools", "tools");
  edit.remove("tool_choice", "tool_choice");
  // The wire refuses how to call none.
  edit.remove("parallel_tool_calls", "parallel_tool_calls");
  return [];
}

/** Takes removed tools out of a choice among some; one among removed ones alone leaves none to call. */
function chosenToolEdits({ body, bytes, members }: WireRequest, edit: MemberEditor): Edit[] {
  const choice = body["tool_choice"];
  const member = members.get("tool_choice");
  const chosen = isObject(choice) ? choice["tools"] : undefined;
  if (!member || !Array.isArray(chosen)) return [];
  const notes = chosen.map((tool) => isHostedOpenAiTool(typeOf(tool)) ? CHOICE : undefined);
  const list = scanMembers(bytes, member.start, member.end).get("tools");
  if (list && (chosen.length === 0 || notes.includes(undefined))) {
    return removeItems(bytes, scanElements(bytes, list.start, list.end), notes);
  }
  if (isForced(choice)) throw forbiddenTools(chosen.map(typeOf));
  edit.set("tool_choice", '"none"', "tool_choice");
  return [];
}

/** Sends `store: false` to targets that demand it. */
export function forceStoreFalse({ body }: WireRequest, target: Target, edit: MemberEditor): void {
  if (target.forceStoreFalse && body["store"] !== false) edit.set("store", "false", "store");
}

function isForced(choice: Json | undefined): boolean {
  const mode = openAiToolChoice(choice);
  return mode === "required" || mode === "named";
}
