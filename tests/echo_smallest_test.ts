import assert from "node:assert/strict";
import type { Json } from "@/core/json.ts";
import { smallest } from "@/plugins/echo/smallest.ts";

const NODE = {
  type: "object",
  properties: {
    left: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
    right: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
  },
  required: ["left", "right"],
};
const ENDLESS = { type: "object", properties: { next: { $ref: "#" } }, required: ["next"] };

const CASES: readonly (readonly [name: string, schema: Json, value: Json])[] = [
  ["nothing asked", {}, null],
  ["true", true, null],
  ["an object without required members", { type: "object", properties: { a: {} } }, {}],
  ["required members only", { properties: { a: { type: "string" }, b: {} }, required: ["a"] }, {
    a: "",
  }],
  ["a const", { const: { a: [1] } }, { a: [1] }],
  ["the shortest of an enum", { enum: ["celsius", "k", "f"] }, "k"],
  ["the shortest of several types", { type: ["object", "integer"] }, 0],
  ["a nullable member", { type: ["string", "null"], minLength: 1 }, "a"],
  ["an array as short as allowed", { type: "array", items: { type: "boolean" }, minItems: 2 }, [
    true,
    true,
  ]],
  ["a tuple", { type: "array", prefixItems: [{ const: 1 }, { type: "string" }], minItems: 2 }, [
    1,
    "",
  ]],
  ["a date", { type: "string", format: "date" }, "2000-01-01"],
  ["zero inside bounds", { type: "integer", minimum: -5, maximum: 5 }, 0],
  ["a lower bound", { type: "integer", minimum: 3 }, 3],
  ["an open lower bound", { type: "integer", exclusiveMinimum: 0 }, 1],
  ["an upper bound", { type: "integer", maximum: -3 }, -3],
  ["an open upper bound", { type: "integer", exclusiveMaximum: 0 }, -1],
  ["a multiple", { type: "integer", minimum: 8, multipleOf: 5 }, 10],
  ["a narrow gap", { type: "number", exclusiveMinimum: 0, maximum: 0.5 }, 0.25],
  ["a fractional bound", { type: "integer", minimum: 0.5 }, 1],
  ["the shorter branch", { anyOf: [{ type: "object" }, { type: "integer" }] }, 0],
  ["shared keywords of branches", { type: "integer", oneOf: [{ minimum: 10 }, { minimum: 2 }] }, 2],
  ["all of its parts", {
    $defs: { a: { type: "object", properties: { a: { const: 1 } }, required: ["a"] } },
    allOf: [{ $ref: "#/$defs/a" }, { properties: { b: { const: 2 } }, required: ["b"] }],
  }, { a: 1, b: 2 }],
  ["a recursive schema", { $defs: { node: NODE }, $ref: "#/$defs/node" }, {
    left: null,
    right: null,
  }],
  ["a schema no finite value meets", ENDLESS, null],
];

for (const [name, schema, value] of CASES) {
  Deno.test(`smallest value of ${name}`, () => assert.deepEqual(smallest(schema), value));
}
