import type { Message, Part, PartOf, ToolForm } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject, textOrEmpty } from "@/core/json.ts";
import { MARKERS } from "../cache_marker.ts";
import { invalidField, objectListField, textField } from "../fields.ts";
import { detailShape, reasoningOfDetails } from "../proofs.ts";
import { type Shape, wholly } from "../unread.ts";
import { type Barriers, CHAT, chatExtra, markerOf, readChatContent } from "./parts.ts";

/** What is read of a message, by role. */
const TURN = wholly("role", "name", "content");
const RESULT = { ...TURN, tool_call_id: true, ...MARKERS };
const ASSISTANT = {
  ...TURN,
  ...wholly("refusal", "tool_calls"),
  reasoning_details: detailShape,
};

const CALL = { id: true, index: true, ...MARKERS };

/** What is read of a call, by its form; one of a type that nobody knows is read as a function. */
const CALLS: Readonly<Record<ToolForm, Shape>> = {
  function: { ...CALL, type: (type) => type === "function", function: wholly("name", "arguments") },
  custom: { ...CALL, type: true, custom: wholly("name", "input") },
};

/** What reading one message needs to know of the ones before it. */
interface History {
  readonly barriers: Barriers;
  /** Forms of the calls so far, by id: a result does not say what it answers. */
  readonly forms: Map<string, ToolForm>;
}

/**
 * Reads `messages`. A message of a role that is no longer used stays what it is.
 *
 * @throws {GatewayError} `invalid-request` naming what cannot be read
 */
export function readChatMessages(body: JsonObject, barriers: Barriers): readonly Message[] {
  const history: History = { barriers, forms: new Map() };
  return objectListField(body, "messages").map((message, index) =>
    readMessage(message, `messages[${index}]`, history)
  );
}

function readMessage(message: JsonObject, path: string, history: History): Message {
  const { role } = message;
  switch (role) {
    case "system":
    case "developer":
    case "user": {
      const parts = readChatContent(message["content"], `${path}.content`, history.barriers);
      return { role, ...nameOf(message, path), ...marked(parts, message, TURN) };
    }
    case "assistant":
      return readAssistant(message, path, history);
    case "tool":
      return readResult(message, path, history);
    case "function":
      history.barriers.add("legacy-functions");
      return { role: "user", parts: [], extra: { [CHAT]: message } };
    default:
      throw invalidField(`${path}.role`, "the role of a message");
  }
}

function readAssistant(message: JsonObject, path: string, history: History): Message {
  const { barriers } = history;
  if ((message["audio"] ?? null) !== null) barriers.add("audio");
  if ((message["function_call"] ?? null) !== null) barriers.add("legacy-functions");
  const calls = readCalls(message["tool_calls"], path, history);
  const refusal = textField(message, "refusal", `${path}.refusal`) ?? "";
  const content = readChatContent(message["content"], `${path}.content`, barriers);
  const isEmpty = message["content"] === "" && (calls.length > 0 || refusal !== "");
  const parts: readonly Part[] = [
    ...readReasoning(message),
    ...(isEmpty ? [] : content),
    ...(refusal === "" ? [] : [{ type: "refusal", text: refusal, extra: {} } as const]),
  ];
  const shape = { ...ASSISTANT, ...shownShape(message) };
  return {
    role: "assistant",
    ...nameOf(message, path),
    ...marked([...parts, ...calls], message, shape),
  };
}

/**
 * The reasoning a caller sends back: a part for each proof, with the text it was made for. Text shown
 * without one stands in the first part.
 */
function readReasoning(message: JsonObject): readonly Part[] {
  const text = textOrEmpty(message["reasoning_content"] ?? message["reasoning"]);
  const proven = reasoningOfDetails(message["reasoning_details"]);
  if (text === "" || proven.some((part) => part.text !== "")) return proven;
  const [first, ...others] = proven;
  if (first) return [{ ...first, text }, ...others];
  return [{ type: "reasoning", text, summary: false, extra: {} }];
}

/** Reasoning is shown under either name; a text that its proofs were not made for is not read. */
function shownShape(message: JsonObject): Shape {
  const shown = message["reasoning_content"] ?? message["reasoning"];
  const proven = reasoningOfDetails(message["reasoning_details"]).map(({ text }) => text).join("");
  const isRead = (text: Json) => text === shown && (proven === "" || text === proven);
  return { reasoning_content: isRead, reasoning: isRead };
}

function readCalls(calls: Json | undefined, path: string, history: History): readonly Part[] {
  if (calls === undefined || calls === null) return [];
  if (!Array.isArray(calls)) throw invalidField(`${path}.tool_calls`, "a list");
  return calls.map((call, index) => {
    const part = readCall(call, `${path}.tool_calls[${index}]`);
    history.forms.set(part.id, part.form);
    return part;
  });
}

function readCall(call: Json, path: string): PartOf<"tool_call"> {
  const value = isObject(call) ? call : {};
  const form = value["type"] === "custom" ? "custom" : "function";
  const inner = value[form];
  if (!isObject(inner)) throw invalidField(`${path}.${form}`, "an object");
  const name = textField(inner, "name", `${path}.${form}.name`);
  if (!name) throw invalidField(`${path}.${form}.name`, "a string");
  const member = form === "custom" ? "input" : "arguments";
  return {
    type: "tool_call",
    id: textField(value, "id", `${path}.id`) ?? "",
    name,
    form,
    input: textField(inner, member, `${path}.${form}.${member}`) ?? "",
    ...markerOf(value),
    extra: chatExtra(value, CALLS[form]),
  };
}

function readResult(message: JsonObject, path: string, { barriers, forms }: History): Message {
  const callId = textField(message, "tool_call_id", `${path}.tool_call_id`);
  if (callId === null) throw invalidField(`${path}.tool_call_id`, "a string", "missing");
  const result: Part = {
    type: "tool_result",
    callId,
    form: forms.get(callId) ?? "function",
    parts: readChatContent(message["content"], `${path}.content`, barriers),
    isError: false,
    ...markerOf(message),
    extra: {},
  };
  const extra = chatExtra(message, RESULT);
  return { role: "tool", ...nameOf(message, path), parts: [result], extra };
}

function nameOf(message: JsonObject, path: string): { readonly name?: string } {
  const name = textField(message, "name", `${path}.name`);
  return name === null ? {} : { name };
}

/** The parts with the marker of their message on the last one that can have it. */
function marked(
  parts: readonly Part[],
  message: JsonObject,
  shape: Shape,
): Pick<Message, "parts" | "extra"> {
  const at = parts.findLastIndex(({ type }) => type !== "reasoning");
  const holder = parts[at];
  if (!holder) return { parts, extra: chatExtra(message, shape) };
  return {
    parts: parts.with(at, { ...markerOf(message), ...holder }),
    extra: chatExtra(message, { ...shape, ...MARKERS }),
  };
}
