import type { ChatResponse, Finish, Part, PartOf } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { NO_USAGE } from "@/core/usage.ts";
import type { WireBody } from "@/core/wire.ts";
import { wholly } from "../unread.ts";
import { readChatFinish } from "./finish.ts";
import { callProof } from "../proofs.ts";
import { CHAT, chatExtra } from "./parts.ts";
import { callsOf, chatUsage, reasoningText } from "./reply.ts";

/** Members of a reply that have a neutral meaning. */
const MAPPED = wholly("id", "object", "created", "model", "choices", "usage");

/**
 * Reads a `chat.completion` into the neutral form: its first choice.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/object
 */
export function decodeChatResponse({ body }: WireBody): ChatResponse {
  const choices: readonly Json[] = Array.isArray(body["choices"]) ? body["choices"] : [];
  const choice = objectOrEmpty(choices[0]);
  const parts = readReplyParts(objectOrEmpty(choice["message"]));
  const word = choice["finish_reason"];
  const has = (type: Part["type"]) => parts.some((part) => part.type === type);
  const finish = readChatFinish(typeof word === "string" ? word : null, {
    calls: has("tool_call"),
    refusal: has("refusal"),
    any: parts.some(({ type }) => type !== "opaque"),
  });
  return {
    id: textOrEmpty(body["id"]),
    model: textOrEmpty(body["model"]),
    createdAt: secondsOf(body["created"]),
    parts: parts.map((part) =>
      part.type === "tool_call" && isBareCall(part, finish) ? { ...part, input: "{}" } : part
    ),
    finish,
    usage: chatUsage(body["usage"]) ?? NO_USAGE,
    extra: chatExtra(body, MAPPED),
  };
}

/** The parts of a message in the order in which a stream brings them; empty texts are none. */
function readReplyParts(message: JsonObject): readonly Part[] {
  return [
    ...textPart("reasoning", reasoningText(message)),
    ...textPart("text", contentText(message["content"])),
    ...textPart("refusal", textOrEmpty(message["refusal"]) || refusalText(message["content"])),
    ...callsOf(message).flatMap((call) => [...proofParts(call), readReplyCall(call)]),
    ...opaqueParts(message),
  ];
}

function textPart(type: "reasoning" | "refusal" | "text", text: string): readonly Part[] {
  if (text === "") return [];
  return [
    type === "reasoning" ? { type, text, summary: false, extra: {} } : { type, text, extra: {} },
  ];
}

/** What a provider attached to a call stands before it, as reasoning that nobody can read. */
function proofParts(call: JsonObject): readonly Part[] {
  const proof = callProof(call);
  return proof ? [{ type: "reasoning", text: "", summary: false, proof, extra: {} }] : [];
}

/** Members of a message whose content no other dialect has. */
const OWN_CONTENT = ["annotations", "audio", "extra_content", "images"];

/** Parts of `content` that are read. */
const READ_PARTS: ReadonlySet<Json | undefined> = new Set(["text", "refusal", "thinking"]);

/** The content of a message or a delta that no other dialect has; an empty list is none. */
export function ownContent(message: JsonObject): readonly JsonObject[] {
  const own: JsonObject[] = [];
  for (const name of OWN_CONTENT) {
    const value = message[name] ?? null;
    const says = Array.isArray(value) ? value.length > 0 : value !== null;
    if (says) own.push({ [name]: value });
  }
  const { content } = message;
  if (!Array.isArray(content)) return own;
  const unread = content.filter((part) => isObject(part) && !READ_PARTS.has(part["type"]));
  if (unread.length > 0) own.push({ content: unread });
  return own;
}

function opaqueParts(message: JsonObject): readonly Part[] {
  return ownContent(message).map((value) => ({
    type: "opaque",
    dialect: CHAT,
    value,
    extra: {},
  }));
}

/** Reads a call of a message, or a fragment of one; what is missing is empty. */
export function readReplyCall(call: JsonObject): PartOf<"tool_call"> {
  const custom = isObject(call["custom"]);
  const inner = objectOrEmpty(custom ? call["custom"] : call["function"]);
  const input = custom ? inner["input"] : inner["arguments"];
  return {
    type: "tool_call",
    id: textOrEmpty(call["id"]),
    name: textOrEmpty(inner["name"]),
    form: custom ? "custom" : "function",
    // Some providers send arguments as the object that they mean.
    input: isObject(input) ? JSON.stringify(input) : textOrEmpty(input),
    extra: {},
  };
}

/** Whether a call that was not cut came without arguments: what runs it reads them as JSON. */
export function isBareCall(
  { form, input }: Pick<PartOf<"tool_call">, "form" | "input">,
  { reason }: Finish,
): boolean {
  return reason === "tool_calls" && form === "function" && input.trim() === "";
}

/** The text of `content`: a text, or the texts of its parts. */
export function contentText(content: Json | undefined): string {
  return typeof content === "string" ? content : partTexts(content, "text");
}

/** The refusal inside `content`, where it is a list of parts. */
export function refusalText(content: Json | undefined): string {
  return partTexts(content, "refusal");
}

function partTexts(content: Json | undefined, member: "refusal" | "text"): string {
  if (!Array.isArray(content)) return "";
  return content.map((part) => isObject(part) ? textOrEmpty(part[member]) : "").join("");
}

/** Unix seconds; 0 when there are none. */
export function secondsOf(value: Json | undefined): number {
  return typeof value === "number" && value > 0 ? Math.floor(value) : 0;
}
