import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { ChatRequest, OutputFormat, Reasoning } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { invalidField, objectField, textField } from "../fields.ts";
import { isEffort } from "../reasoning_amount.ts";
import { schemaFormat } from "../strict_schema.ts";
import { isSwitch, type Shape, wholly, withUnread } from "../unread.ts";
import { ownFields, responsesExtra } from "./items.ts";

const VERBOSITIES = ["low", "medium", "high"] as const;

/** What the `text` member of a request asks for. */
export interface TextSettings {
  readonly output: OutputFormat;
  readonly verbosity?: "low" | "medium" | "high";
}

/** What is read of `text`. */
export const TEXT: Shape = { verbosity: true, format: formatShape };

/**
 * Reads `text`: the format of the reply and its verbosity.
 *
 * @throws {GatewayError} `invalid-request` naming the field that cannot be read
 */
export function readText(body: JsonObject, barriers: Set<BridgeFeature>): TextSettings {
  const text = objectField(body, "text");
  if (text === null) return { output: { type: "text" } };
  const said = textField(text, "verbosity", "text.verbosity");
  const verbosity = VERBOSITIES.find((known) => known === said);
  if (said !== null && !verbosity) throw invalidField("text.verbosity", "low, medium or high");
  const format = objectField(text, "format", "text.format");
  const output = readFormat(format);
  if (output === null) barriers.add("other");
  return { output: output ?? { type: "text" }, ...(verbosity && { verbosity }) };
}

/** `null` for a format of another kind. */
function readFormat(format: JsonObject | null): OutputFormat | null {
  const type = format?.["type"] ?? "text";
  if (!format || type === "text") return { type: "text" };
  if (type === "json_object") return { type: "json" };
  if (type !== "json_schema") return null;
  const path = "text.format";
  const schema = objectField(format, "schema", `${path}.schema`);
  if (schema === null) throw invalidField(`${path}.schema`, "an object", "missing");
  const name = textField(format, "name", `${path}.name`);
  const description = textField(format, "description", `${path}.description`);
  const { strict } = format;
  return {
    type: "schema",
    ...(name !== null && { name }),
    ...(description !== null && { description }),
    schema,
    ...((typeof strict === "boolean" || strict === null) && { strict }),
  };
}

function formatShape(format: Json): boolean | Shape {
  const type = isObject(format) ? format["type"] ?? "text" : null;
  if (type === "text" || type === "json_object") return { type: true };
  if (type !== "json_schema") return false;
  return { ...wholly("type", "name", "description", "schema"), strict: isSwitch };
}

/** Writes `text`; `undefined` when there is nothing to say. */
export function writeText(request: ChatRequest): JsonObject | undefined {
  const { output, verbosity } = request;
  const rest = ownFields(request.extra)["text"];
  if (output.type === "text" && verbosity === undefined && rest === undefined) return undefined;
  const written = { format: writeFormat(output), ...(verbosity && { verbosity }) };
  return isObject(rest) ? withUnread(written, rest) : written;
}

function writeFormat(output: OutputFormat): JsonObject {
  if (output.type === "text") return { type: "text" };
  if (output.type === "json") return { type: "json_object" };
  return { type: "json_schema", ...schemaFormat(output) };
}

/**
 * Reads `reasoning`; without an effort nothing is demanded.
 *
 * @throws {GatewayError} `invalid-request` naming the field that cannot be read
 */
export function readReasoning(body: JsonObject): Reasoning | undefined {
  const reasoning = objectField(body, "reasoning");
  if (reasoning === null) return undefined;
  const effort = textField(reasoning, "effort", "reasoning.effort");
  const summary = textField(reasoning, "summary", "reasoning.summary") ??
    textField(reasoning, "generate_summary", "reasoning.generate_summary");
  if (effort !== null && !isEffort(effort)) {
    throw invalidField("reasoning.effort", "a known effort", "unknown-value");
  }
  return {
    mode: "effort",
    ...(effort !== null && { effort }),
    ...(summary !== null && { summary }),
    extra: responsesExtra(reasoning, {
      ...wholly("effort", "summary"),
      generate_summary: (reasoning["summary"] ?? null) === null,
    }),
  };
}

/** Writes `reasoning` as its caller sent it. */
export function writeOwnReasoning({ effort, summary, extra }: Reasoning): JsonObject {
  return {
    ...(effort !== undefined && { effort }),
    ...(summary !== undefined && { summary }),
    ...ownFields(extra),
  };
}
