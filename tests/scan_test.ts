import assert from "node:assert/strict";
import fc from "fast-check";
import { GatewayError } from "@/core/errors.ts";
import { isBounded, numberIn, readWire, scanElements, scanMembers } from "@/core/scan.ts";
import { editMembers, splice } from "@/core/splice.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function reasonOf(body: string | Uint8Array<ArrayBuffer>): unknown {
  try {
    readWire(typeof body === "string" ? encode(body) : body);
  } catch (error) {
    assert(error instanceof GatewayError);
    assert.equal(error.type, "invalid-request");
    assert(!error.message.includes("secret"));
    return error.details["reason"];
  }
  return null;
}

const nested = (depth: number) => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;

Deno.test("scanMembers() finds keys and values through white space and escapes", () => {
  const text = '\r\n{ "a\\"" :\t"x\\\\" ,"mod\\u0065l":[1, {"a":"]"}],\n"é":-1.5e3 ,"t":true}\n';
  const bytes = encode(text);
  const found = [...scanMembers(bytes, 0, bytes.length).values()];
  assert.deepEqual(found.map(({ key }) => key), ['a"', "model", "é", "t"]);
  assert.deepEqual(
    found.map(({ start, end }) => decode(bytes.subarray(start, end))),
    ['"x\\\\"', '[1, {"a":"]"}]', "-1.5e3", "true"],
  );
  assert.deepEqual(
    found.map(({ keyStart, start }) => decode(bytes.subarray(keyStart, start))),
    ['"a\\"" :\t', '"mod\\u0065l":', '"é":', '"t":'],
  );
});

Deno.test("scanMembers() finds the members of a nested object", () => {
  const bytes = encode('{"é":1,"o": {"include_usage":false} }');
  const outer = scanMembers(bytes, 0, bytes.length).get("o")!;
  const inner = scanMembers(bytes, outer.start, outer.end).get("include_usage")!;
  assert.equal(decode(bytes.subarray(inner.start, inner.end)), "false");
  assert.equal(scanMembers(encode("{ }"), 0, 3).size, 0);
});

Deno.test("scanElements() finds the elements of an array", () => {
  const bytes = encode('[ {"a":[1]} , "x,]" ,2,null ]');
  const spans = scanElements(bytes, 0, bytes.length);
  assert.deepEqual(
    spans.map(({ start, end }) => decode(bytes.subarray(start, end))),
    ['{"a":[1]}', '"x,]"', "2", "null"],
  );
  assert.deepEqual(scanElements(encode("[\n]"), 0, 3), []);
});

Deno.test("isBounded() tells what is too much to be parsed, and nothing else", () => {
  for (const text of Object.values(MANY)) {
    assert(isBounded(encode(text(200_000))));
    assert(!isBounded(encode(text(300_000))));
  }
  assert(!isBounded(encode("[".repeat(1_000))));
  for (const text of [...CUT, "", "null", "[]", nested(255), `"${"[],".repeat(200_000)}"`]) {
    assert(isBounded(encode(text)), text.slice(0, 40));
  }
});

Deno.test("readWire() refuses a body that is not one JSON object in UTF-8", () => {
  assert.equal(reasonOf("secret"), "not-object");
  assert.equal(reasonOf(""), "not-object");
  assert.equal(reasonOf('["secret"]'), "not-object");
  assert.equal(reasonOf("null"), "not-object");
  assert.equal(reasonOf(new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d])), "bom");
  assert.equal(reasonOf(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), "utf-8");
  for (const text of CUT) assert.equal(reasonOf(text), "json", text);
});

/** Ends inside a key, a string, an escape, a value, a list; and what is no JSON in other ways. */
const CUT = [
  '{"secret":',
  "{",
  '{"secret',
  '{"a":"secret',
  '{"a":"secret\\',
  '{"a":"\\"',
  '{"\\u00":1}',
  '{"a":[{"b":[1,',
  '{"a":[}]}',
  '{"a"}',
  '{"a":1}}',
  '{"a":1,}',
  '{"a":tru}',
  '{"a" "b" "c"}',
];

/** Few bytes that are many values: parsed, each takes many times its bytes. */
const MANY: Readonly<Record<string, (count: number) => string>> = {
  "empty lists": (count) => `{"a":[${"[],".repeat(count / 2)}0]}`,
  "empty objects": (count) => `{"a":[${"{},".repeat(count / 2)}0]}`,
  "numbers": (count) => `{"a":[${"0,".repeat(count)}0]}`,
  "members": (count) => `{"a":{${'"b":0,'.repeat(count)}"c":0}}`,
  "short lists": (count) => `{"a":[${"[0,0,0],".repeat(count / 4)}0]}`,
  "lists that are never closed": (count) => `{"a":[${"[0],".repeat(count / 2)}`,
};

for (const [name, text] of Object.entries(MANY)) {
  Deno.test(`readWire() refuses too many ${name} before it parses them`, () => {
    const few = reasonOf(text(200_000));
    assert.equal(few, name.includes("never") ? "json" : null);
    assert.equal(reasonOf(text(300_000)), "values");
  });
}

Deno.test("readWire() refuses more than 1,000 members at the top, and takes them within", () => {
  const members = (count: number) =>
    `{${Array.from({ length: count }, (_, at) => `"${at}":0`).join()}}`;
  assert.equal(reasonOf(members(1_000)), null);
  assert.equal(reasonOf(members(1_001)), "values");
  assert.equal(reasonOf(`{"a":${members(1_001)}}`), null);
});

Deno.test("readWire() refuses nesting deeper than 256", () => {
  assert.equal(reasonOf(nested(256)), null);
  assert.equal(reasonOf(nested(257)), "depth");
  assert.equal(reasonOf(nested(100_000)), "depth");
});

Deno.test("readWire() refuses a top-level key twice, and only there", () => {
  assert.equal(reasonOf('{"model":"a","mod\\u0065l":"b"}'), "duplicate-key");
  assert.equal(reasonOf('{"a":{"x":1,"x":2}}'), null);
  assert.throws(() => readWire(encode('{"secret":1,"secret":2}')), {
    message: "Cannot read the body: a member is there twice",
    details: { reason: "duplicate-key", path: "secret" },
  });
});

Deno.test("readWire() refuses a top-level key that some parsers would take for another", () => {
  for (const key of ["Model", "MODEL", "mod\\u0045l", "moDel"]) {
    assert.equal(reasonOf(`{"model":"a","${key}":"b"}`), "duplicate-key", key);
    assert.equal(reasonOf(`{"${key}":"b"}`), "duplicate-key", key);
  }
  for (const key of ["Max_Tokens", "MAX_COMPLETION_TOKENS", "max_Output_tokens", "N"]) {
    assert.equal(reasonOf(`{"model":"a","${key}":9}`), "duplicate-key", key);
  }
  assert.equal(reasonOf('{"max_to\u212Aens":9}'), "duplicate-key");
  assert.equal(reasonOf('{"max_to\u212Aens":9,"max_tokens":1}'), "duplicate-key");
  assert.equal(reasonOf('{"me\u017F\u017Fages":[],"messages":[]}'), "duplicate-key");
  assert.equal(reasonOf('{"model":"a","topK":1,"Top_P":1,"é":1}'), null);
});

const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);

/** JSON text of a value with random white space and escapes. */
function spell(value: unknown, gaps: readonly string[]): string {
  let turn = 0;
  const gap = () => gaps[turn++ % gaps.length] ?? "";
  const text = (s: string) => turn++ % 2 ? JSON.stringify(s) : `"${[...s].map(escaped).join("")}"`;
  const write = (item: unknown): string => {
    if (Array.isArray(item)) {
      return `[${gap()}${item.map(write).join(`${gap()},${gap()}`)}${gap()}]`;
    }
    if (typeof item === "string") return text(item);
    if (typeof item !== "object" || item === null) return JSON.stringify(item);
    const members = Object.entries(item).map(([k, v]) => `${text(k)}${gap()}:${gap()}${write(v)}`);
    return `{${gap()}${members.join(`${gap()},${gap()}`)}${gap()}}`;
  };
  return `${gap()}${write(value)}${gap()}`;
}

function escaped(char: string): string {
  const units = Array.from({ length: char.length }, (_, at) => char.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

const tricky = fc.string({
  unit: fc.constantFrom('"', "\\", "{", "]", ",", ":", "a", "é", "\u{1f9ed}"),
});
const bodies = fc.record({
  value: fc.dictionary(
    fc.oneof(tricky, fc.string({ unit: "binary" })),
    fc.oneof(tricky, fc.array(tricky), fc.jsonValue({ stringUnit: "binary" })),
  ),
  gaps: fc.array(space, { minLength: 1, maxLength: 5 }),
});

Deno.test("readWire() agrees with JSON.parse on every member", () => {
  fc.assert(fc.property(bodies, ({ value, gaps }) => {
    const bytes = encode(spell(value, gaps));
    const { body, members } = readWire(bytes);
    assert.deepEqual([...members.keys()].sort(), Object.keys(body).sort());
    for (const { key, start, end } of members.values()) {
      assert.deepEqual(JSON.parse(decode(bytes.subarray(start, end))), body[key]);
    }
  }));
});

Deno.test("an edit of the model changes nothing else", () => {
  fc.assert(fc.property(bodies, fc.nat(), ({ value, gaps }, place) => {
    const entries = Object.entries(value).filter(([key]) => key !== "model");
    entries.splice(place % (entries.length + 1), 0, ["model", "fast"]);
    const bytes = encode(spell(Object.fromEntries(entries), gaps));
    const wire = readWire(bytes);
    const edit = editMembers(bytes, wire.members);
    edit.set("model", '"up-1"', "model");
    const { start, end } = wire.members.get("model")!;
    const expected = [...bytes.subarray(0, start), ...encode('"up-1"'), ...bytes.subarray(end)];
    assert.deepEqual([...splice(bytes, edit.list())], expected);
  }));
});

Deno.test("removed members take one comma each, whatever else is added", () => {
  fc.assert(fc.property(bodies, fc.array(fc.boolean()), ({ value, gaps }, picks) => {
    const bytes = encode(spell(value, gaps));
    const wire = readWire(bytes);
    const keys = [...wire.members.keys()].filter((key) => key !== "new" && key !== "model");
    const gone = keys.filter((_, at) => picks[at]);
    const edit = editMembers(bytes, wire.members);
    edit.set("model", '"up-1"', "model");
    edit.set("new", "[1]", "new");
    for (const key of gone) edit.remove(key, key);
    const kept = Object.entries(wire.body).filter(([key]) => !gone.includes(key));
    const expected = Object.fromEntries([...kept, ["model", "up-1"], ["new", [1]]]);
    assert.deepEqual(JSON.parse(decode(splice(bytes, edit.list()))), expected);
  }));
});

Deno.test("a body that was released is parsed again, as it was", () => {
  for (
    const text of ['{"model":"fast","n":[1,{"a":null}]}', '{"model":"schnell","text":"für 😀"}']
  ) {
    const wire = readWire(encode(text));
    const { body } = wire;
    wire.release();
    assert.deepEqual(wire.body, body);
    assert.notEqual(wire.body, body);
    assert.equal(wire.body, wire.body);
  }
});

Deno.test("numberIn() reads a number, and nothing else, without the parsed body", () => {
  const wire = readWire(encode(
    '{"temperature" : 0.25 ,"top_p":-1e-2,"a":"1","b":[1],"c":null,"d":true,"e":1e999,"model":"ü"}',
  ));
  wire.release();
  Object.defineProperty(wire, "body", { get: () => assert.fail("it was parsed again") });
  assert.equal(numberIn(wire, "temperature"), 0.25);
  assert.equal(numberIn(wire, "top_p"), -0.01);
  for (const key of ["a", "b", "c", "d", "e", "model", "none"]) {
    assert.equal(numberIn(wire, key), undefined, key);
  }
});
