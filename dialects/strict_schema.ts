import type { OutputFormat } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";

/** What both OpenAI dialects say of a demanded schema: `{name, description, schema, strict}`. */
export function schemaFormat(output: Extract<OutputFormat, { type: "schema" }>): JsonObject {
  const { name, description, schema } = output;
  // A wire without names has no `strict` either: the model may be held to a schema that allows it.
  const strict = output.strict === undefined && name === undefined
    ? isStrictSchema(schema)
    : output.strict;
  return {
    name: name ?? "output",
    ...(description !== undefined && { description }),
    schema,
    ...(strict !== undefined && { strict }),
  };
}

/**
 * Whether a schema can be enforced strictly: it describes an object, and every object in it closes
 * `additionalProperties` and requires all its properties.
 *
 * @see https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
 */
export function isStrictSchema(schema: JsonObject): boolean {
  return describesObject(schema) && closesEveryObject(schema);
}

/** Keywords whose value is a schema or a list of schemas, and those that map names to schemas. */
const SCHEMAS = [
  "items",
  "prefixItems",
  "contains",
  "anyOf",
  "oneOf",
  "allOf",
  "not",
  "if",
  "then",
  "else",
] as const;
const SCHEMA_MAPS = ["properties", "$defs", "definitions"] as const;

function closesEveryObject(schema: Json | undefined): boolean {
  if (Array.isArray(schema)) return schema.every(closesEveryObject);
  if (!isObject(schema)) return true;
  if (describesObject(schema) && !isClosed(schema)) return false;
  return SCHEMAS.every((key) => closesEveryObject(schema[key])) &&
    SCHEMA_MAPS.every((key) => {
      const named = schema[key];
      return !isObject(named) || Object.values(named).every(closesEveryObject);
    });
}

function describesObject({ type, properties }: JsonObject): boolean {
  return type === "object" || (Array.isArray(type) && type.includes("object")) ||
    isObject(properties);
}

function isClosed({ additionalProperties, properties, required }: JsonObject): boolean {
  const names = isObject(properties) ? Object.keys(properties) : [];
  const demanded = new Set<Json>(Array.isArray(required) ? required : []);
  return additionalProperties === false && names.every((name) => demanded.has(name));
}
