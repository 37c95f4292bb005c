import type { ChatRequest, Message, OutputFormat, Part } from "@/core/chat.ts";
import type { DecodedRequest } from "@/core/dialect.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { scanElements, type Span } from "@/core/scan.ts";
import type { WireRequest } from "@/core/wire.ts";
import { holdsNumber, parseExact, withExactSchemas } from "../exact_json.ts";
import {
  booleanField,
  countField,
  invalidField,
  listField,
  numberField,
  objectField,
  objectListField,
  textField,
} from "../fields.ts";
import { typeOf } from "../hosted_tools.ts";
import { isEffort } from "../reasoning_amount.ts";
import { type Reading, type Shape, unread, wholly } from "../unread.ts";
import { type Barriers, decodeContent, ownExtra } from "./parts.ts";
import { decodeThinking } from "./thinking.ts";
import { choiceShape, decodeToolChoice, decodeTools } from "./tools.ts";

const TURN = wholly("role", "content");

/** What is read of a body; what else it holds only this dialect understands. */
const MAPPED = {
  ...wholly(
    "max_tokens",
    "messages",
    "model",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tools",
    "top_k",
    "top_p",
  ),
  cache_control: { type: (type) => type === "ephemeral" },
  output_config: { effort: isEffort, format: formatShape },
  tool_choice: choiceShape,
} as const satisfies Shape;

/**
 * Reads a Messages body.
 *
 * @throws {GatewayError} `invalid-request` naming the field
 * @see https://docs.anthropic.com/en/api/messages
 */
export function decodeMessagesRequest(wire: WireRequest): DecodedRequest {
  const body = withExactSchemas(wire, ["tools", "output_config", "output_format"]);
  const barriers: Barriers = new Set();
  const maxOutputTokens = countField(body, "max_tokens");
  const reasoning = decodeThinking(body);
  const request: ChatRequest = {
    caller: "anthropic",
    model: textField(body, "model") ?? "",
    instructions: decodeSystem(body["system"]),
    messages: decodeMessages(wire, barriers),
    tools: decodeTools(body, barriers),
    ...decodeToolChoice(body, barriers),
    output: decodeFormat(body, barriers),
    ...(reasoning && { reasoning }),
    ...(maxOutputTokens !== null && { maxOutputTokens }),
    stop: decodeStop(body),
    sampling: decodeSampling(body),
    stream: booleanField(body, "stream") === true,
    includeUsage: true,
    cacheAuto: isObject(body["cache_control"]),
    extra: { anthropic: unread(body, { ...MAPPED, output_format: aliasReading(body) }) },
  };
  noteBarriers(barriers, request, body);
  return { request, barriers: [...barriers] };
}

function decodeSystem(system: Json | undefined): readonly Part[] {
  const parts = decodeContent(system, { path: "system", barriers: new Set() });
  const other = parts.findIndex(({ type }) => type !== "text");
  if (other !== -1) throw invalidField(`system[${other}].type`, "text");
  return parts;
}

function decodeMessages(wire: WireRequest, barriers: Barriers): readonly Message[] {
  const member = wire.members.get("messages");
  let spans: readonly Span[] | null = null;
  return objectListField(wire.body, "messages").map((message, index) => {
    if (!member || !hasNumbersInCalls(message)) return decodeMessage(message, index, barriers);
    spans ??= scanElements(wire.bytes, member.start, member.end);
    return decodeMessage(exactMessage(wire, spans[index]) ?? message, index, barriers);
  });
}

/** A message with the numbers of its calls as they were spelled. */
function exactMessage({ bytes }: WireRequest, span: Span | undefined): JsonObject | null {
  if (!span) return null;
  const value = parseExact(new TextDecoder().decode(bytes.subarray(span.start, span.end)));
  return isObject(value) ? value : null;
}

function hasNumbersInCalls({ content }: JsonObject): boolean {
  return Array.isArray(content) &&
    content.some((block) => typeOf(block) === "tool_use" && holdsNumber(inputOf(block)));
}

function inputOf(block: Json): Json | undefined {
  return isObject(block) ? block["input"] : undefined;
}

function decodeMessage(message: JsonObject, index: number, barriers: Barriers): Message {
  const path = `messages[${index}]`;
  const { role: wireRole, content } = message;
  const rest = unread(message, TURN);
  const parts = decodeContent(content, { path: `${path}.content`, barriers });
  if (wireRole === "system") {
    // Only this dialect has turns of the system between others: that `extra` is its own says so.
    return { role: "system", parts, extra: { anthropic: rest } };
  }
  if (wireRole !== "user" && wireRole !== "assistant") {
    throw invalidField(`${path}.role`, "user, assistant or system");
  }
  return { role: wireRole, parts, extra: ownExtra(rest) };
}

function decodeFormat(body: JsonObject, barriers: Barriers): OutputFormat {
  const config = objectField(body, "output_config");
  const format = (config && objectField(config, "format", "output_config.format")) ??
    objectField(body, "output_format");
  if (format === null) return { type: "text" };
  if (format["type"] !== "json_schema") {
    barriers.add("other");
    return { type: "text" };
  }
  const path = "output_config.format.schema";
  const schema = objectField(format, "schema", path);
  if (schema === null) throw invalidField(path, "an object", "missing");
  return { type: "schema", schema };
}

function decodeStop(body: JsonObject): readonly string[] {
  return (listField(body, "stop_sequences") ?? []).map((stop, index) => {
    if (typeof stop === "string") return stop;
    throw invalidField(`stop_sequences[${index}]`, "a string");
  });
}

function decodeSampling(body: JsonObject): ChatRequest["sampling"] {
  const temperature = numberField(body, "temperature");
  const topP = numberField(body, "top_p");
  const topK = numberField(body, "top_k");
  return {
    ...(temperature !== null && { temperature }),
    ...(topP !== null && { topP }),
    ...(topK !== null && { topK }),
  };
}

function formatShape(format: Json): boolean | Shape {
  return typeOf(format) === "json_schema" && wholly("type", "schema");
}

/** The older name of `output_config.format` is read where the newer one is absent. */
function aliasReading(body: JsonObject): Reading {
  return objectField(body, "output_config")?.["format"] == null && formatShape;
}

function noteBarriers(barriers: Barriers, request: ChatRequest, body: JsonObject): void {
  const sent = (key: string) => (body[key] ?? null) !== null;
  if (sent("inference_geo")) barriers.add("inference-geo");
  if (["compaction", "container", "thread"].some(sent)) barriers.add("stored-state");
  if (sent("context_management") && !onlyClearsThinking(body["context_management"])) {
    barriers.add("context-management");
  }
  if (request.stop.length > 0) barriers.add("stop");
  const last = request.messages.at(-1);
  const prefilled = last?.role === "assistant" && last.parts.some(({ type }) => type === "text");
  if (prefilled) barriers.add("prefill");
}

/** Clearing old thinking is a hint: a bridge drops that thinking anyway. */
function onlyClearsThinking(management: Json | undefined): boolean {
  const { edits } = isObject(management) ? management : {};
  return Array.isArray(edits) && edits.every((edit) => typeOf(edit) === "clear_thinking_20251015");
}
