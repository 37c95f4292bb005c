import type { OtherDialect } from "@/core/dialect.ts";
import { GatewayError } from "@/core/errors.ts";
import { isObject, type JsonObject } from "@/core/json.ts";
import { readWire, scanMembers } from "@/core/scan.ts";
import { editMembers, splice } from "@/core/splice.ts";
import type { Member, WireRequest } from "@/core/wire.ts";
import { objectField, objectListField } from "../fields.ts";
import { hostedTypes, isHostedOpenAiTool } from "../hosted_tools.ts";

/** Fields that only a Responses body has. */
const RESPONSES_FIELDS = [
  "input",
  "instructions",
  "reasoning",
  "text",
  "previous_response_id",
  "max_output_tokens",
] as const;

/** Fields whose meaning is unclear in a Responses body that came by the Chat path. */
const UNCLEAR_FIELDS = ["include", "truncation", "metadata", "store"] as const;
const CAPS = ["max_output_tokens", "max_tokens", "max_completion_tokens"] as const;

/** The first field that only a Responses body has; `null`: this may be a Chat body. */
export function responsesField(body: JsonObject): string | null {
  return RESPONSES_FIELDS.find((name) => isSet(body, name)) ?? null;
}

/**
 * A Responses body that came by the Chat path, as the Responses dialect reads it: `response_format`
 * became `text.format`, its schema byte for byte.
 *
 * @throws {GatewayError} `responses-body-field-unsupported` naming the field
 */
export function readAsResponses(wire: WireRequest): OtherDialect | null {
  if (responsesField(wire.body) === null) return null;
  refuseUnclear(wire.body);
  return { dialect: "openai-responses", wire: withTextFormat(wire) };
}

function refuseUnclear(body: JsonObject): void {
  const unclear = UNCLEAR_FIELDS.find((name) => isSet(body, name));
  if (unclear) throw unsupported(unclear);
  if (isSet(body, "messages") && isSet(body, "input")) throw unsupported("messages");
  const [, second] = CAPS.filter((name) => isSet(body, name));
  if (second) throw unsupported(second);
  const [hosted] = hostedTypes(objectListField(body, "tools"), isHostedOpenAiTool);
  if (hosted) throw unsupported("tools");
}

function withTextFormat(wire: WireRequest): WireRequest {
  const { bytes, body, members } = wire;
  const format = members.get("response_format");
  if (!format || !isSet(body, "response_format")) return wire;
  const text = objectField(body, "text");
  if (text && isSet(text, "format")) throw unsupported("response_format");
  const edit = editMembers(bytes, members);
  edit.remove("response_format", "response_format");
  const written = `{"format":${textFormat(wire, format)}${restOf(wire, text)}}`;
  edit.set("text", written, "response_format");
  return readWire(splice(bytes, edit.list()));
}

/** Chat wraps name and schema in `json_schema`; Responses has them beside the type. */
function textFormat({ bytes, body }: WireRequest, format: Member): string {
  const wrapper = objectField(body, "response_format")?.["json_schema"];
  if (!isObject(wrapper)) return textOf(bytes, format);
  const inner = scanMembers(bytes, format.start, format.end).get("json_schema");
  if (!inner) return textOf(bytes, format);
  return `{"type":"json_schema"${membersText(bytes, inner)}}`;
}

function restOf({ bytes, members }: WireRequest, text: JsonObject | null): string {
  const member = members.get("text");
  return text && member ? membersText(bytes, member) : "";
}

/** The members of an object as they stand, each after a comma. */
function membersText(bytes: Uint8Array, object: Member): string {
  let text = "";
  for (const { key, start, end } of scanMembers(bytes, object.start, object.end).values()) {
    if (key !== "format") text += `,${JSON.stringify(key)}:${textOf(bytes, { start, end })}`;
  }
  return text;
}

function textOf(bytes: Uint8Array, { start, end }: Pick<Member, "start" | "end">): string {
  return new TextDecoder().decode(bytes.subarray(start, end));
}

function isSet(body: JsonObject, name: string): boolean {
  return (body[name] ?? null) !== null;
}

function unsupported(field: string): GatewayError {
  return new GatewayError(
    "responses-body-field-unsupported",
    `Cannot take ${field} in a Responses body on the Chat path: send the body to /v1/responses`,
    { field },
  );
}
