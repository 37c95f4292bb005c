import { isObject, type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { objectsOf } from "./ask.ts";
import { nearestZero } from "./smallest_number.ts";

const MAX_DEPTH = 32;
const MAX_STEPS = 50_000;

const FORMATS: Readonly<Record<string, string>> = {
  "date": "2000-01-01",
  "date-time": "2000-01-01T00:00:00Z",
  "duration": "PT0S",
  "email": "a@b.co",
  "hostname": "a.co",
  "ipv4": "0.0.0.0",
  "ipv6": "::",
  "time": "00:00:00Z",
  "uri": "a:b",
  "uuid": "00000000-0000-0000-0000-000000000000",
};

/**
 * The shallowest, then shortest value a schema allows; `null` when it finds none. Reads `$ref` inside
 * the document, `const`, `enum`, `anyOf`, `oneOf`, `allOf`, `type`, `required`, bounds and `format`;
 * not `pattern`, `not`, `uniqueItems` or `minProperties`.
 *
 * @example Usage
 * ```ts
 * import { smallest } from "@/plugins/echo/smallest.ts";
 *
 * const schema = { required: ["n"], properties: { n: { type: "integer", minimum: 3 } } };
 * if (JSON.stringify(smallest(schema)) !== '{"n":3}') throw new Error("Cannot find it");
 * ```
 */
export function smallest(schema: Json): Json {
  const search: Search = { root: schema, stepsLeft: MAX_STEPS };
  for (let depth = 1; depth <= MAX_DEPTH && search.stepsLeft > 0; depth += 1) {
    const value = valueOf(schema, depth, search);
    if (value !== undefined) return value;
  }
  return null;
}

/** A search grows with the breadth of a recursive schema to the power of its depth: it needs an end. */
interface Search {
  readonly root: Json;
  stepsLeft: number;
}

/** `undefined`: none within this depth. */
function valueOf(schema: Json, depth: number, search: Search): Json | undefined {
  search.stepsLeft -= 1;
  if (depth <= 0 || search.stepsLeft <= 0) return undefined;
  if (!isObject(schema)) return null;
  const inner = (next: Json) => valueOf(next, depth - 1, search);
  if (typeof schema["$ref"] === "string") return inner(lookUp(schema["$ref"], search.root));
  if (schema["const"] !== undefined) return schema["const"];
  if (Array.isArray(schema["enum"])) return shortest(schema["enum"]);
  const { anyOf, oneOf, allOf, ...own } = schema;
  const choices = objectsOf(anyOf ?? oneOf);
  if (choices.length > 0) return shortest(choices.map((choice) => inner(merge(own, choice))));
  const parts = objectsOf(allOf).map((part) => resolved(part, search.root, depth));
  if (parts.length > 0) return inner(parts.reduce(merge, own));
  return shortest(typesOf(schema).map((type) => ofType(type, schema, inner)));
}

type Inner = (schema: Json) => Json | undefined;

function ofType(type: string, schema: JsonObject, inner: Inner): Json | undefined {
  switch (type) {
    case "object":
      return smallestObject(schema, inner);
    case "array":
      return smallestArray(schema, inner);
    case "string":
      return smallestString(schema);
    case "integer":
    case "number":
      return nearestZero(type, schema);
    case "boolean":
      return true;
    default:
      return null;
  }
}

/** The types a schema allows, guessed from its keywords when it names none. */
function typesOf(schema: JsonObject): readonly string[] {
  const { type } = schema;
  if (typeof type === "string") return [type];
  if (Array.isArray(type) && type.length > 0) return type.map(textOrEmpty);
  const has = (...keys: string[]) => keys.some((key) => schema[key] !== undefined);
  if (has("properties", "required")) return ["object"];
  if (has("items", "prefixItems", "minItems")) return ["array"];
  if (has("minLength", "format", "pattern")) return ["string"];
  if (has("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")) return ["number"];
  return ["null"];
}

function smallestObject(schema: JsonObject, inner: Inner): JsonObject | undefined {
  const properties = objectOrEmpty(schema["properties"]);
  const value: Record<string, Json> = {};
  for (const key of namesOf(schema["required"])) {
    const member = inner(properties[key] ?? {});
    if (member === undefined) return undefined;
    value[key] = member;
  }
  return value;
}

function smallestArray(schema: JsonObject, inner: Inner): readonly Json[] | undefined {
  const prefix = Array.isArray(schema["prefixItems"]) ? schema["prefixItems"] : [];
  const least = typeof schema["minItems"] === "number" ? schema["minItems"] : 0;
  const value: Json[] = [];
  while (value.length < least) {
    const item = inner(prefix[value.length] ?? schema["items"] ?? {});
    if (item === undefined) return undefined;
    value.push(item);
  }
  return value;
}

function smallestString(schema: JsonObject): string {
  const least = typeof schema["minLength"] === "number" ? schema["minLength"] : 0;
  return (FORMATS[textOrEmpty(schema["format"])] ?? "").padEnd(least, "a");
}

function shortest(values: readonly (Json | undefined)[]): Json | undefined {
  const size = (value: Json) => JSON.stringify(value).length;
  return values.reduce((best, value) => {
    if (best === undefined || value === undefined) return best ?? value;
    return size(value) < size(best) ? value : best;
  }, undefined);
}

/** Follows a JSON pointer such as `#/$defs/node`; what it does not find allows every value. */
function lookUp(ref: string, root: Json): Json {
  const keys = ref.split("/").slice(1);
  const unescaped = keys.map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  return unescaped.reduce((at: Json, key) => objectOrEmpty(at)[key] ?? {}, root);
}

function resolved(schema: JsonObject, root: Json, depth: number): JsonObject {
  const ref = schema["$ref"];
  if (typeof ref !== "string" || depth <= 0) return schema;
  return resolved(objectOrEmpty(lookUp(ref, root)), root, depth - 1);
}

function merge(left: JsonObject, right: JsonObject): JsonObject {
  const both: Record<string, Json | undefined> = { ...left, ...right };
  if (left["properties"] && right["properties"]) {
    both["properties"] = {
      ...objectOrEmpty(left["properties"]),
      ...objectOrEmpty(right["properties"]),
    };
  }
  if (left["required"] && right["required"]) {
    both["required"] = [...new Set([...namesOf(left["required"]), ...namesOf(right["required"])])];
  }
  return both;
}

function namesOf(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.map(textOrEmpty) : [];
}
