import assert from "node:assert/strict";
import type { ChatRequest, Part } from "@/core/chat.ts";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { Target } from "@/core/snapshot.ts";
import { lowerTools } from "@/core/tool_table.ts";
import { dialects } from "@/dialects/mod.ts";
import { plainTarget, wireOf } from "./dialect_target.ts";

type Marks = Target["promptCacheMarkers"];

/** What can be marked: a system text, a turn of each role, a call, its result, a tool. */
const PIECES = ["system", "user", "assistant", "call", "result", "tool"] as const;
type Piece = typeof PIECES[number];

/** A conversation in which the caller marks a piece, in each dialect's words. */
const CONVERSATIONS: Readonly<Record<DialectName, (mark: Mark) => JsonObject>> = {
  "anthropic": (mark) => ({
    model: "m",
    max_tokens: 100,
    system: [mark("system", { type: "text", text: "system" })],
    messages: [
      { role: "user", content: [mark("user", { type: "text", text: "user" })] },
      {
        role: "assistant",
        content: [
          mark("assistant", { type: "text", text: "assistant" }),
          mark("call", { type: "tool_use", id: "call_1", name: "look", input: {} }),
        ],
      },
      {
        role: "user",
        content: [mark("result", { type: "tool_result", tool_use_id: "call_1", content: "done" })],
      },
    ],
    tools: [mark("tool", { name: "look", input_schema: SCHEMA })],
  }),
  "openai-chat": (mark) => ({
    model: "m",
    messages: [
      { role: "system", content: [mark("system", { type: "text", text: "system" })] },
      { role: "user", content: [mark("user", { type: "text", text: "user" })] },
      {
        role: "assistant",
        content: [mark("assistant", { type: "text", text: "assistant" })],
        tool_calls: [
          mark("call", {
            id: "call_1",
            type: "function",
            function: { name: "look", arguments: "{}" },
          }),
        ],
      },
      mark("result", { role: "tool", tool_call_id: "call_1", content: "done" }),
    ],
    tools: [mark("tool", { type: "function", function: { name: "look", parameters: SCHEMA } })],
  }),
  "openai-responses": (mark) => ({
    model: "m",
    input: [
      { role: "developer", content: [mark("system", { type: "input_text", text: "system" })] },
      { role: "user", content: [mark("user", { type: "input_text", text: "user" })] },
      {
        type: "message",
        role: "assistant",
        content: [mark("assistant", { type: "output_text", text: "assistant" })],
      },
      mark("call", { type: "function_call", call_id: "call_1", name: "look", arguments: "{}" }),
      mark("result", { type: "function_call_output", call_id: "call_1", output: "done" }),
    ],
    tools: [mark("tool", { type: "function", name: "look", parameters: SCHEMA })],
  }),
};

const SCHEMA = { type: "object", properties: {} };

type Mark = (piece: Piece, value: JsonObject) => JsonObject;

const SPELLINGS = {
  cache_control: { cache_control: { type: "ephemeral" } },
  breakpoint: { prompt_cache_breakpoint: { mode: "explicit" } },
} as const;

/** What a target is sent when the caller marks one piece. */
function sentBy(
  caller: DialectName,
  { piece, spelling, target, marks }: {
    readonly piece: Piece | null;
    readonly spelling: keyof typeof SPELLINGS;
    readonly target: DialectName;
    readonly marks: Marks;
  },
): { readonly body: JsonObject; readonly stripped: boolean } {
  const mark: Mark = (marked, value) =>
    marked === piece ? { ...value, ...SPELLINGS[spelling] } : value;
  const wire = wireOf(JSON.stringify(CONVERSATIONS[caller](mark)));
  const { request } = dialects.get(caller).decodeRequest(wire);
  const to = dialects.get(target);
  const lowered = lowerTools({ ...request, model: "up-1" }, to.toolLimits).request;
  const made = to.encodeRequest(lowered, plainTarget(target, { promptCacheMarkers: marks }));
  const stripped = made.events.some(({ field, action }) =>
    /^(?:cache_control|prompt_cache_breakpoint)$/.test(field) && action === "stripped"
  );
  return { body: made.body, stripped };
}

/** The pieces that are marked in a body. */
function markedIn(target: DialectName, body: JsonObject): readonly string[] {
  const { request } = dialects.get(target).decodeRequest(wireOf(JSON.stringify(body)));
  return [
    ...request.instructions.flatMap((part) => part.cache ? ["system"] : []),
    ...request.messages.flatMap(({ role, parts }) =>
      parts.flatMap((part) => isMarked(part) ? [pieceOf(part, role)] : [])
    ),
    ...request.tools.flatMap((tool) => "cache" in tool && tool.cache ? ["tool"] : []),
  ];
}

function isMarked(part: Part): boolean {
  if ("cache" in part && part.cache) return true;
  return part.type === "tool_result" && part.parts.some(isMarked);
}

function pieceOf({ type }: Part, role: ChatRequest["messages"][number]["role"]): string {
  if (type === "tool_call") return "call";
  if (type === "tool_result") return "result";
  return role === "developer" ? "system" : role;
}

/** Markers of a body, wherever they stand. */
function countMarkers(value: Json): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countMarkers(item), 0);
  if (!isObject(value)) return 0;
  return Object.entries(value).reduce(
    (sum, [key, member]) =>
      sum + (key === "cache_control" || key === "prompt_cache_breakpoint" ? 1 : 0) +
      countMarkers(member ?? null),
    0,
  );
}

/** Responses marks content alone: what a call or a tool marks is said by the content before it. */
const ON_CONTENT: Partial<Record<Piece, string>> = { call: "assistant", tool: "system" };

function expectedIn(target: DialectName, piece: Piece): string {
  return target === "openai-responses" ? ON_CONTENT[piece] ?? piece : piece;
}

/** Marks that a target takes, and what it is to get. */
const TAKES: readonly (readonly [DialectName, DialectName, Marks, boolean])[] = DIALECT_NAMES
  .flatMap((caller) =>
    DIALECT_NAMES.filter((name) => name !== caller).flatMap((target) => [
      // Chat has no marks of its own: those of Messages mean nothing there unless it is said.
      [caller, target, null, !(caller === "anthropic" && target === "openai-chat")] as const,
      [caller, target, "cache_control", true] as const,
      [caller, target, "breakpoint", true] as const,
      [caller, target, "none", false] as const,
    ])
  );

for (const [caller, target, marks, survives] of TAKES) {
  for (const piece of PIECES) {
    for (const spelling of ["cache_control", "breakpoint"] as const) {
      const title = `${caller} to ${target} (${marks ?? "default"}): ${spelling} on ${piece}`;
      Deno.test(`${title} ${survives ? "survives once" : "is stripped, and told"}`, () => {
        const { body, stripped } = sentBy(caller, { piece, spelling, target, marks });
        if (survives) {
          assert.deepEqual(markedIn(target, body), [expectedIn(target, piece)]);
          assert.equal(countMarkers(body), 1);
        } else assert.equal(countMarkers(body), 0);
        assert.equal(stripped, !survives);
      });
    }
  }
}
