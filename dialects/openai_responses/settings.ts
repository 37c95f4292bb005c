import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { ChatRequest, OutputFormat, Reasoning } from "@/core/chat.ts";
import { isObject, type JsonObject } from "@/core/json.ts";
import { invalidField, objectField, textField } from "../fields.ts";
import { isEffort } from "../reasoning_amount.ts";
import { schemaFormat } from "../strict_schema.ts";
import { omit, ownFields, RESPONSES } from "./items.ts";

const VERBOSITIES = ["low", "medium", "high"] as const;
const REASONING = ["effort", "summary", "generate_summary"];

/** What the `text` member of a request asks for, and what else it says. */
export interface TextSettings {
  readonly output: OutputFormat;
  readonly verbosity?: "low" | "medium" | "high";
  /** What only this wire knows of it, in a member of its own. */
  readonly rest: JsonObject;
}

/**
 * Reads `text`: the format of the reply and its verbosity.
 *
 * @throws {GatewayError} `invalid-request` naming the field that cannot be read
 */
export function readText(body: JsonObject, barriers: Set<BridgeFeature>): TextSettings {
  const text = objectField(body, "text");
  if (text === null) return { output: { type: "text" }, rest: {} };
  const said = textField(text, "verbosity", "text.verbosity");
  const verbosity = VERBOSITIES.find((known) => known === said);
  if (said !== null && !verbosity) throw invalidField("text.verbosity", "low, medium or high");
  const format = objectField(text, "format", "text.format");
  const output = readFormat(format);
  if (output === null) barriers.add("other");
  const rest = omit(text, output === null ? ["verbosity"] : ["verbosity", "format"]);
  return {
    output: output ?? { type: "text" },
    ...(verbosity && { verbosity }),
    rest: Object.keys(rest).length === 0 ? {} : { text: rest },
  };
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

/** Writes `text`; `undefined` when there is nothing to say. */
export function writeText(request: ChatRequest): JsonObject | undefined {
  const { output, verbosity } = request;
  const rest = ownFields(request.extra)["text"];
  if (output.type === "text" && verbosity === undefined && rest === undefined) return undefined;
  return {
    format: writeFormat(output),
    ...(verbosity && { verbosity }),
    ...(isObject(rest) && rest),
  };
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
    extra: { [RESPONSES]: omit(reasoning, REASONING) },
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
