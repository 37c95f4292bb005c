import type { ChatRequest, Finish, Part, PartHead, PartOf } from "@/core/chat.ts";
import { isObject, type JsonObject } from "@/core/json.ts";
import type { UsageReport } from "@/core/usage.ts";
import { encryptedContent } from "../proofs.ts";
import type { ReplyIds } from "../reply_id.ts";
import { withUnread } from "../unread.ts";
import { ownFields, RESPONSES } from "./items.ts";
import { writeOwnReasoning, writeText } from "./settings.ts";
import { writeToolChoice, writeTools } from "./tools.ts";

/** How far an output item is. */
export type ItemStatus = "in_progress" | "completed" | "incomplete";

/** What identifies a response. */
export interface ResponseHead {
  readonly id: string;
  readonly model: string;
  /** Unix seconds. */
  readonly createdAt: number;
}

/** A response before it has any output; the caller's settings come back in it. */
export function openResponse(head: ResponseHead, request: ChatRequest): JsonObject {
  const own = ownFields(request.extra);
  const { reasoning, maxOutputTokens, sampling, tools } = request;
  const instructions = request.instructions.flatMap((part) =>
    part.type === "text" ? part.text : []
  );
  const text = writeText(request);
  return {
    id: head.id,
    object: "response",
    created_at: head.createdAt,
    status: "in_progress",
    error: null,
    incomplete_details: null,
    instructions: instructions.length === 0 ? null : instructions.join("\n\n"),
    ...(maxOutputTokens !== undefined && { max_output_tokens: maxOutputTokens }),
    metadata: own["metadata"] ?? {},
    model: head.model,
    output: [],
    output_text: "",
    parallel_tool_calls: request.parallelToolCalls ?? true,
    ...(reasoning &&
      { reasoning: { effort: null, summary: null, ...writeOwnReasoning(reasoning) } }),
    store: false,
    temperature: sampling.temperature ?? null,
    ...(text && { text }),
    tool_choice: writeToolChoice(request) ?? "auto",
    tools: writeTools(tools),
    top_p: sampling.topP ?? null,
    ...(own["truncation"] !== undefined && { truncation: own["truncation"] }),
    usage: null,
  };
}

/** What a response says when it is over. */
export interface ResponseEnd {
  readonly finish: Finish;
  readonly output: readonly JsonObject[];
  readonly usage: UsageReport;
}

/** The members of a response that its end sets. */
export function closeResponse({ finish, output, usage }: ResponseEnd): JsonObject {
  const refused = output.some((item) => contentOf(item).some(({ type }) => type === "refusal"));
  const reason = incompleteReason(finish, refused);
  return {
    status: reason === null ? "completed" : "incomplete",
    incomplete_details: reason === null ? null : { reason },
    output,
    output_text: output.flatMap(contentOf).map(({ type, text }) =>
      type === "output_text" ? text : ""
    ).join(""),
    usage: writeUsage(usage),
  };
}

/** Whether the last item of a reply that ends so was cut. */
export function isCut(finish: Finish): boolean {
  return finish.reason === "length" || finish.reason === "context_full";
}

function incompleteReason(finish: Finish, refused: boolean): string | null {
  switch (finish.reason) {
    case "length":
    case "context_full":
      return "max_output_tokens";
    case "content_filter":
      return "content_filter";
    case "refusal":
      return refused ? null : "content_filter";
    case "stop":
    case "stop_sequence":
    case "tool_calls":
    case "pause":
    case "error":
      return null;
  }
}

function contentOf(item: JsonObject): readonly JsonObject[] {
  const { content } = item;
  return item["type"] === "message" && Array.isArray(content) ? content.filter(isObject) : [];
}

/** Writes usage; what is not known is 0. */
export function writeUsage(usage: UsageReport): JsonObject {
  const input = usage.input ?? 0;
  const output = usage.output ?? 0;
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cachedInput ?? 0,
      cache_write_tokens: usage.cacheWrite ?? 0,
      image_tokens: usage.image ?? 0,
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
    total_tokens: input + output,
  };
}

/** Id of the item that holds a part; empty for a part that is no item made by us. */
export function itemId(ids: ReplyIds, part: Part | PartHead, index: number): string {
  switch (part.type) {
    case "text":
    case "refusal":
      return ids.item("msg_", index);
    case "reasoning":
      return ids.item("rs_", index);
    case "tool_call":
      return ids.item(part.form === "custom" ? "ctc_" : "fc_", index, part.id);
    case "image":
    case "tool_result":
    case "opaque":
      return "";
  }
}

/**
 * The output item of a part; `null` for one that is left out. The own fields it came with win, the
 * status among them.
 */
export function outputItem(part: Part, id: string, status: ItemStatus): JsonObject | null {
  const own = part.extra[RESPONSES] ?? { status };
  switch (part.type) {
    case "text":
    case "refusal":
      return { id, type: "message", role: "assistant", content: [outputPiece(part)], ...own };
    case "reasoning":
      return withUnread({
        id,
        type: "reasoning",
        summary: part.text === "" ? [] : [{ type: "summary_text", text: part.text }],
        ...(part.proof && { encrypted_content: encryptedContent(part.proof) }),
      }, own);
    case "tool_call":
      return { ...callItem(part, id), ...own };
    case "opaque":
      return part.dialect === RESPONSES && isObject(part.value) ? part.value : null;
    case "image":
    case "tool_result":
      return null;
  }
}

/** A piece of a message that a model wrote. */
export function outputPiece(part: PartOf<"text" | "refusal">): JsonObject {
  const rest = part.extra.beside;
  return part.type === "refusal"
    ? { type: "refusal", refusal: part.text, ...rest }
    : { type: "output_text", text: part.text, annotations: [], ...rest };
}

/** A call without its status. */
export function callItem(part: PartOf<"tool_call">, id?: string): JsonObject {
  const { form, name, namespace, input } = part;
  return {
    ...(id !== undefined && { id }),
    type: form === "custom" ? "custom_tool_call" : "function_call",
    call_id: part.id,
    name,
    ...(namespace !== undefined && { namespace }),
    ...(form === "custom" ? { input } : { arguments: input }),
  };
}
