import assert from "node:assert/strict";
import fc from "fast-check";
import { argumentsObject, argumentsText, holdsNumber, parseExact } from "@/dialects/exact_json.ts";

const SPELLINGS = [
  '{"a":1.0}',
  '{"a":1e3,"b":1E+3}',
  '{"a":-0}',
  '{"a":12345678901234567890,"b":[9007199254740993]}',
  '{"a":0.1000,"b":{"c":5e-324}}',
  '{"a":"1.0 and 1e3","b":-0.0}',
  '{"__proto__":1.0}',
  '{"a":[],"b":null,"c":true,"d":17}',
];

for (const text of SPELLINGS) {
  Deno.test(`numbers keep their spelling: ${text}`, () => {
    assert.equal(JSON.stringify(parseExact(text)), text);
    assert.equal(argumentsText(argumentsObject(text)), text);
  });
}

const NO_OBJECTS = ['{"city":"Par', "[1,2]", "null", '"text"', "7", "{}x", "not json"];

for (const text of NO_OBJECTS) {
  Deno.test(`what is no JSON object stays text: ${text}`, () => {
    assert.deepEqual(argumentsObject(text), { _raw: text });
    assert.equal(argumentsText({ _raw: text }), text);
  });
}

for (const text of ["", " ", "{}", " { }\n"]) {
  Deno.test(`no arguments are an empty object: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(argumentsObject(text), {});
    assert.equal(argumentsText(argumentsObject(text)), "{}");
  });
}

for (const input of [{ _raw: "{}" }, { _raw: "" }, { _raw: "x", a: 1 }, { _raw: 7 }]) {
  Deno.test(`an object that only looks wrapped is one: ${JSON.stringify(input)}`, () => {
    assert.equal(argumentsText(input), JSON.stringify(input));
  });
}

Deno.test("absent input is an empty object", () => {
  assert.deepEqual([argumentsText(undefined), argumentsText(null)], ["{}", "{}"]);
});

Deno.test("numbers are found at any depth", () => {
  assert(holdsNumber({ a: [{ b: 1 }] }));
  assert(!holdsNumber({ a: [{ b: "1" }], c: null, d: true }));
});

Deno.test("any object keeps its text through both directions", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
    const text = JSON.stringify(value);
    const wrapped = Object.keys(value).length === 1 && typeof value["_raw"] === "string";
    if (!wrapped) assert.equal(argumentsText(argumentsObject(text)), text);
  }));
});
