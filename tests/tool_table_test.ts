import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import type {
  ChatRequest,
  ChatResponse,
  Message,
  Part,
  PartOf,
  StreamEvent,
  Tool,
  ToolForm,
} from "@/core/chat.ts";
import { stepAll } from "@/core/stream.ts";
import { readToolInput, unwrapToolInput, wrapToolInput } from "@/core/tool_input.ts";
import type { ToolLimits } from "@/core/tool_names.ts";
import { lowerTools } from "@/core/tool_table.ts";
import { NO_USAGE } from "@/core/usage.ts";
import { chatRequestOf } from "./builders.ts";

const CHAT_LIMITS: ToolLimits = { custom: false, namespaces: false, callId: /^.{1,40}$/s };
const RESPONSES_LIMITS: ToolLimits = { custom: true, namespaces: true, callId: /^.{1,64}$/s };
const MESSAGES_LIMITS: ToolLimits = { ...CHAT_LIMITS, callId: /^[A-Za-z0-9_-]{1,64}$/ };

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const functionTool = (name: string, namespace?: string): Tool => ({
  form: "function",
  name,
  ...(namespace !== undefined && { namespace }),
  extra: {},
});

const call = (name: string, input: string, changes: Partial<PartOf<"tool_call">> = {}): Part => ({
  type: "tool_call",
  id: "call_1",
  name,
  form: "function",
  input,
  extra: {},
  ...changes,
});

const assistant = (...parts: readonly Part[]): Message => ({ role: "assistant", parts, extra: {} });

function responseOf(parts: readonly Part[]): ChatResponse {
  const finish = { reason: "tool_calls" } as const;
  return { id: "r", model: "m", createdAt: 1, parts, finish, usage: NO_USAGE, extra: {} };
}

function namesOf(tools: readonly Tool[], limits = CHAT_LIMITS): readonly string[] {
  return lowerTools(chatRequestOf({ tools }), limits).request.tools.map((tool) =>
    tool.form === "opaque" ? "" : tool.name
  );
}

const LONG = "n".repeat(65);

/** Names of tools as offered, a namespace before a slash, and as they go over the wire. */
const NAMES: readonly (readonly [readonly string[], readonly string[]])[] = [
  [["get_weather", "a-B_9"], ["get_weather", "a-B_9"]],
  [["a".repeat(64)], ["a".repeat(64)]],
  [["get.weather"], ["get_weather"]],
  [["wetter/größe".replace("/", ".")], ["wetter_gr__e"]],
  [[LONG], [`${"n".repeat(55)}_${sha256(LONG).slice(0, 8)}`]],
  [["files/read"], ["files__read"]],
  [["files/read", "files__read"], [
    `files__read_${sha256("files\0read").slice(0, 8)}`,
    "files__read",
  ]],
  [["a.b", "a_b"], [`a_b_${sha256("a.b").slice(0, 8)}`, "a_b"]],
  [["a.b", "a b"], ["a_b", `a_b_${sha256("a b").slice(0, 8)}`]],
  [["same", "same"], ["same", "same"]],
];

for (const [own, wire] of NAMES) {
  Deno.test(`tools ${own.join(", ").slice(0, 60)} get names that every wire takes`, () => {
    const tools = own.map((name) => {
      const [first, second] = name.split("/");
      return second === undefined ? functionTool(name) : functionTool(second, first);
    });
    assert.deepEqual(namesOf(tools), wire);
    const lowered = lowerTools(chatRequestOf({ tools }), CHAT_LIMITS);
    const restored = lowered.restore(responseOf(wire.map((name) => call(name, "{}"))));
    const back = restored.parts.map((part) =>
      part.type === "tool_call" ? [part.name, part.namespace] : []
    );
    const expected = tools.map((tool) => tool.form === "opaque" ? [] : [tool.name, tool.namespace]);
    assert.deepEqual(back, expected);
  });
}

Deno.test("any set of tool names becomes as many valid names, and each finds its way back", () => {
  const name = fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom("a.b", "a_b", "a b", LONG));
  const tool = fc.record({ name, namespace: fc.option(name, { nil: undefined }) });
  const tools = fc.uniqueArray(tool, { selector: (it) => JSON.stringify([it.namespace, it.name]) });
  fc.assert(fc.property(tools, (list) => {
    const offered = list.map((it) => functionTool(it.name, it.namespace));
    const names = namesOf(offered);
    assert(names.every((it) => /^[A-Za-z0-9_-]{1,64}$/.test(it)));
    assert.equal(new Set(names).size, list.length);
    const lowered = lowerTools(chatRequestOf({ tools: offered }), CHAT_LIMITS);
    const { parts } = lowered.restore(responseOf(names.map((it) => call(it, "{}"))));
    for (const [index, part] of parts.entries()) {
      assert(part.type === "tool_call");
      assert.equal(part.name, list[index]!.name);
      assert.equal(part.namespace, list[index]!.namespace);
    }
  }));
});

Deno.test("namespaces stay where the wire has them", () => {
  const tools = [functionTool("read", "files")];
  const request = chatRequestOf({ tools });
  assert.equal(lowerTools(request, RESPONSES_LIMITS).request, request);
});

Deno.test("request that the wire can hold passes as it is, and so does its reply", () => {
  const messages = [assistant(call("get_weather", "{}"))];
  const request = chatRequestOf({ tools: [functionTool("get_weather")], messages });
  const lowered = lowerTools(request, MESSAGES_LIMITS);
  assert.equal(lowered.request, request);
  assert.deepEqual(lowered.events, []);
  const response = responseOf([call("get_weather", '{"a":1.0}')]);
  assert.equal(lowered.restore(response), response);
});

const GRAMMAR: Tool = {
  form: "custom",
  name: "patch",
  description: "Edits files",
  format: { type: "grammar", syntax: "lark", definition: "start: /.+/" },
  cache: { spelling: "cache_control" },
  extra: {},
};

Deno.test("custom tool crosses in function form, grammar included", () => {
  const { request, events } = lowerTools(chatRequestOf({ tools: [GRAMMAR] }), CHAT_LIMITS);
  assert.deepEqual(request.tools, [{
    form: "function",
    name: "patch",
    description: "Edits files\n\nInput must match this lark grammar:\nstart: /.+/",
    parameters: {
      type: "object",
      properties: { input: { type: "string" } },
      required: ["input"],
      additionalProperties: false,
    },
    cache: { spelling: "cache_control" },
    extra: {},
  }]);
  assert.deepEqual(events, [{ field: "tools", action: "rewritten", reason: "target-limit" }]);
});

Deno.test("custom tool stays one where the wire has them", () => {
  const messages = [assistant(call("patch", "a\nb", { form: "custom" }))];
  const request = chatRequestOf({ tools: [GRAMMAR], messages });
  assert.equal(lowerTools(request, RESPONSES_LIMITS).request, request);
});

Deno.test("history of a custom tool takes the same road both ways", () => {
  const messages: readonly Message[] = [
    assistant(call("patch", 'say "hi"\n\u{1f600}', { form: "custom", id: "ctc_1" })),
    {
      role: "tool",
      parts: [{
        type: "tool_result",
        callId: "ctc_1",
        form: "custom",
        parts: [],
        isError: false,
        extra: {},
      }],
      extra: {},
    },
  ];
  const lowered = lowerTools(chatRequestOf({ tools: [GRAMMAR], messages }), CHAT_LIMITS);
  const [turn, result] = lowered.request.messages;
  const [sent] = turn!.parts;
  assert(sent?.type === "tool_call");
  assert.equal(sent.form, "function");
  assert.equal(sent.input, '{"input":"say \\"hi\\"\\n\u{1f600}"}');
  assert.equal(sent.id, "ctc_1");
  assert(result?.parts[0]?.type === "tool_result");
  assert.equal(result.parts[0].form, "function");
  assert.equal(result.parts[0].callId, "ctc_1");
  assert.deepEqual(lowered.restore(responseOf(turn!.parts)).parts, messages[0]!.parts);
});

Deno.test("choice of a tool and subsets cross with their tools", () => {
  const tools = [GRAMMAR, functionTool("read", "files")];
  const choices: readonly (readonly [ChatRequest["toolChoice"], ChatRequest["toolChoice"]])[] = [
    [{ mode: "tool", name: "patch", form: "custom" }, {
      mode: "tool",
      name: "patch",
      form: "function",
    }],
    [{ mode: "tool", name: "read", namespace: "files", form: "function" }, {
      mode: "tool",
      name: "files__read",
      form: "function",
    }],
    [
      {
        mode: "allowed",
        force: true,
        tools: [{ name: "patch" }, { name: "read", namespace: "files" }],
      },
      { mode: "allowed", force: true, tools: [{ name: "patch" }, { name: "files__read" }] },
    ],
    [{ mode: "required" }, { mode: "required" }],
  ];
  for (const [toolChoice, expected] of choices) {
    const lowered = lowerTools(
      chatRequestOf({ tools, ...(toolChoice && { toolChoice }) }),
      CHAT_LIMITS,
    );
    assert.deepEqual(lowered.request.toolChoice, expected);
  }
  assert(!("toolChoice" in lowerTools(chatRequestOf({ tools }), CHAT_LIMITS).request));
});

Deno.test("call id that a wire cannot hold is the same at call and result", () => {
  const id = "x".repeat(41);
  const result: Part = {
    type: "tool_result",
    callId: id,
    form: "function",
    parts: [],
    isError: false,
    extra: {},
  };
  const messages = [
    assistant(call("f", "{}", { id })),
    { ...assistant(result), role: "tool" } as const,
  ];
  const { request } = lowerTools(chatRequestOf({ messages }), CHAT_LIMITS);
  const expected = `call_${sha256(id).slice(0, 24)}`;
  const [first, second] = request.messages.map(({ parts }) => parts[0]);
  assert(first?.type === "tool_call" && second?.type === "tool_result");
  assert.deepEqual([first.id, second.callId], [expected, expected]);
  assert.equal(lowerTools(chatRequestOf({ messages }), RESPONSES_LIMITS).events.length, 0);
});

Deno.test("longer conversation begins with the turns of the shorter one", () => {
  const names = ["a.b", "a b", "a_b", "gone", LONG, "a\tb"];
  const forms: readonly ToolForm[] = ["function", "custom"];
  const messages = names.flatMap((name, index) =>
    forms.map((form) => assistant(call(name, "x", { form, id: `${index}.${form}` })))
  );
  const tools = [functionTool("a_b"), GRAMMAR];
  const whole = lowerTools(chatRequestOf({ tools, messages }), MESSAGES_LIMITS).request.messages;
  for (const [length] of messages.entries()) {
    const request = chatRequestOf({ tools, messages: messages.slice(0, length) });
    const part = lowerTools(request, MESSAGES_LIMITS).request.messages;
    assert.deepEqual(part, whole.slice(0, length));
  }
});

/** Arguments that a target gave a custom tool, and the input the caller sees. */
const INPUTS: readonly (readonly [string, string])[] = [
  ['{"input":"a"}', "a"],
  [' {\n"input" : "a\\nb" } ', "a\nb"],
  ['{"input":""}', ""],
  ['{"input":"\\u00e9\\ud83d\\ude00\\/\\\\\\""}', 'é\u{1f600}/\\"'],
  ['{"input":"line\nbreak"}', "line\nbreak"],
  ['{"input":"cut', "cut"],
  ['{"input":"cut\\', "cut"],
  ['{"input":"cut\\u00', "cut"],
  ["", ""],
  ["{}", "{}"],
  ['{"inp', '{"inp'],
  ['{"input":7}', '{"input":7}'],
  ['{"text":"a"}', '{"text":"a"}'],
  ["*** Begin Patch", "*** Begin Patch"],
  ['{"input":"a","more":1}', '{"input":"a","more":1}'],
];

for (const [args, input] of INPUTS) {
  Deno.test(`arguments ${JSON.stringify(args)} are the input ${JSON.stringify(input)}`, () => {
    assert.equal(unwrapToolInput(args), input);
  });
}

/** Pieces of a text, cut wherever the numbers say. */
function cut(text: string, sizes: readonly number[]): readonly string[] {
  const pieces: string[] = [];
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(text.slice(at, at + size));
    at += size;
  }
  return pieces;
}

Deno.test("input of a custom tool crosses byte for byte, however it is cut and escaped", () => {
  const escaped = (text: string) =>
    `{"input":"${
      Array.from({ length: text.length }, (_, at) =>
        `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")
    }"}`;
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }));
  fc.assert(fc.property(text, sizes, fc.boolean(), (input, cuts, plain) => {
    const args = plain ? wrapToolInput(input) : escaped(input);
    const reader = readToolInput();
    const pieces = cut(args, cuts).map((piece) => reader.push(piece));
    assert.equal(pieces.join("") + reader.end(), input);
    assert.equal(unwrapToolInput(args), input);
    assert(pieces.every((piece) => piece.isWellFormed()));
  }));
});

function streamed(parts: readonly (readonly [string, readonly string[]])[]): StreamEvent[] {
  const starts = parts.map(([name], index): StreamEvent => ({
    type: "part_start",
    index,
    part: { type: "tool_call", id: `call_${index}`, name, form: "function" },
  }));
  const longest = Math.max(...parts.map(([, pieces]) => pieces.length));
  const deltas = Array.from({ length: longest }).flatMap((_, at) =>
    parts.flatMap(([, pieces], index): StreamEvent[] => {
      const text = pieces[at];
      return text === undefined ? [] : [{ type: "part_delta", index, text }];
    })
  );
  const ends = parts.map((_, index): StreamEvent => ({ type: "part_end", index }));
  return [...starts, ...deltas, ...ends];
}

Deno.test("streamed calls get their own names, forms and inputs back, interleaved too", () => {
  const tools = [GRAMMAR, functionTool("read", "files"), functionTool("plain")];
  const lowered = lowerTools(chatRequestOf({ tools }), CHAT_LIMITS);
  const args = wrapToolInput('a\n"b" \u{1f600}');
  const events = stepAll(
    streamed([["patch", cut(args, [1])], ["files__read", ['{"p"', ":1.0}"]], ["plain", ["{}"]]]),
    lowered.restoreStream(),
  );
  const heads = events.flatMap((event) => event.type === "part_start" ? [event.part] : []);
  assert.deepEqual(heads, [
    { type: "tool_call", id: "call_0", name: "patch", form: "custom" },
    { type: "tool_call", id: "call_1", name: "read", namespace: "files", form: "function" },
    { type: "tool_call", id: "call_2", name: "plain", form: "function" },
  ]);
  const texts = ["", "", ""];
  for (const event of events) if (event.type === "part_delta") texts[event.index] += event.text;
  assert.deepEqual(texts, ['a\n"b" \u{1f600}', '{"p":1.0}', "{}"]);
  assert(events.every((event) => event.type !== "part_delta" || event.text !== ""));
});

Deno.test("streamed input of a custom tool arrives as it comes", () => {
  const stepper = lowerTools(chatRequestOf({ tools: [GRAMMAR] }), CHAT_LIMITS).restoreStream();
  const [start] = streamed([["patch", []]]);
  const step = (text: string) => {
    const events = [...stepper.step({ type: "part_delta", index: 0, text })];
    return events.map((event) => event.type === "part_delta" ? event.text : "").join("");
  };
  assert.equal([...stepper.step(start!)].length, 1);
  assert.deepEqual(['{"inp', 'ut":', '"ab', "c\\", "n\\ud83d", '\\ude00"', "}"].map(step), [
    "",
    "",
    "ab",
    "c",
    "\n",
    "\u{1f600}",
    "",
  ]);
});

Deno.test("streamed arguments of another shape are given as they are", () => {
  const stepper = lowerTools(chatRequestOf({ tools: [GRAMMAR] }), CHAT_LIMITS).restoreStream();
  for (const args of ['{"x":[1,{"input":"no"}]}', "*** patch", "{", ""]) {
    const events = stepAll(streamed([["patch", cut(args, [2])]]), stepper);
    const text = events.map((event) => event.type === "part_delta" ? event.text : "").join("");
    assert.equal(text, args);
  }
});
