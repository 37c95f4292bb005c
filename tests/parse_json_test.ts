import assert from "node:assert/strict";
import fc from "fast-check";
import { parseJson } from "@/core/parse_json.ts";
import { readWire } from "@/core/scan.ts";
import { openAiChat } from "../dialects/openai_chat/mod.ts";

/** Has the engine see a key that the text of an escaped one begins with. */
function teach(first: string, key: string): void {
  for (let turn = 0; turn < 3; turn++) JSON.parse(JSON.stringify({ [first]: 1, [key]: 1 }));
}

const HIDDEN = '"\\u006dax_tokens"';

Deno.test("the engine still takes an escaped key for another: else parseJson is JSON.parse", () => {
  teach("pin", "\\u006dax_t");
  assert.deepEqual(Object.keys(JSON.parse(`{"pin":1,${HIDDEN}:2}`)), ["pin", "\\u006dax_t"]);
});

for (
  const [name, text] of [
    ["at the top", `{"a":1,${HIDDEN}:2}`],
    ["before white space", `{"a":1, ${HIDDEN}\n\t :2}`],
    ["within", `{"x":[{"a":1,${HIDDEN}:2}]}`],
    ["behind strings that end in backslashes", `{"x":"\\\\","y":"\\"","z":{"a":1,${HIDDEN}:2}}`],
    ["beside text of two bytes", `{"x":"\u4e00","z":{"a":1,${HIDDEN}:2}}`],
  ] as const
) {
  Deno.test(`an escaped key is read as what it says: ${name}`, () => {
    teach("a", "\\u006dax_t");
    const plain = text.replace(HIDDEN, '"max_tokens"');
    assert.deepEqual(parseJson(text), JSON.parse(plain));
    const told: unknown[] = [];
    parseJson(text, (key, value, context) => {
      told.push([key, value, context?.source]);
      return value;
    });
    const expected: unknown[] = [];
    parseJson(plain, (key, value, context) => {
      expected.push([key, value, context?.source]);
      return value;
    });
    assert.deepEqual(told, expected);
  });
}

Deno.test("an escaped key counts as every other: twice, by the last, and `__proto__` as a member", () => {
  assert.deepEqual(parseJson('{"a":1,"\\u0061":2,"b":3}'), { a: 2, b: 3 });
  const value = parseJson('{"\\u005f_proto__":{"x":1}}');
  assert.deepEqual(Object.keys(value), ["__proto__"]);
  assert.equal(value.x, undefined);
});

Deno.test("what is no JSON is refused, whatever its keys", () => {
  for (
    const text of ['{"\\u0061":1', '{"\\u0061":}', '{"\\":1}', '{"a\\"', '"\\"', '{"\\x":1}', ""]
  ) {
    assert.throws(() => parseJson(text), SyntaxError, text);
  }
  assert.throws(() => parseJson(`${"[".repeat(1_001)}{"\\n":1}${"]".repeat(1_001)}`), SyntaxError);
});

const tricky = fc.string({ unit: fc.constantFrom('"', "\\", "u", "0", "6", ":", "\n", "a", "é") });

/** As JSON, with every character of a key escaped where `picks` says so. */
function spelled(value: unknown, picks: () => boolean): string {
  if (Array.isArray(value)) return `[${value.map((item) => spelled(item, picks)).join(" ,")}]`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const key = (text: string) => {
    if (!picks()) return JSON.stringify(text);
    const units = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
    return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("")}"`;
  };
  const members = Object.entries(value).map(([name, member]) =>
    `${key(name)} :${spelled(member, picks)}`
  );
  return `{${members.join(", ")}}`;
}

Deno.test("any value is read as it is, however its keys are escaped and whatever came before", () => {
  const values = fc.jsonValue({ maxDepth: 4 }).chain((inner) =>
    fc.dictionary(tricky, fc.oneof(tricky, fc.constant(inner)), { maxKeys: 6 })
  );
  fc.assert(
    fc.property(values, fc.infiniteStream(fc.boolean()), (value, picks) => {
      const text = spelled(value, () => picks.next().value === true);
      assert.deepEqual(parseJson(text), { ...value });
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("no caller hides a member of its body from the limits", () => {
  const body = (key: string) => `{"model":"fast",${key}:100000,"messages":[]}`;
  readWire(new TextEncoder().encode(body('"\\\\u006dax_t"')));
  const wire = readWire(new TextEncoder().encode(body(HIDDEN)));
  assert.equal(wire.body["max_tokens"], 100_000);
  assert.equal(openAiChat.features(wire).outputCap, 100_000);
  wire.release();
  assert.equal(wire.body["max_tokens"], 100_000);
});
