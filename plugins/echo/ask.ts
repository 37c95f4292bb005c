import { Buffer } from "node:buffer";
import { isObject, type Json, type JsonObject, textOrEmpty } from "@/core/json.ts";

/** What the scripts need to know of a request, whatever its wire format. */
export interface Ask {
  readonly model: string;
  readonly stream: boolean;
  /** Text of the last user turn that has any content. */
  readonly text: string;
  /** Images of that turn. */
  readonly images: number;
  /** Text of the last tool result, when the conversation ends with one. */
  readonly toolResult: string | null;
  /** UTF-8 bytes of the text of all turns, instructions included. */
  readonly inputBytes: number;
  /** Output cap, tokens. */
  readonly cap: number | null;
  /** The tools the choice allows, the forced one alone. */
  readonly tools: readonly Tool[];
  /** The schema the reply must follow; `null` when the request names none. */
  readonly schema: Json;
}

/** A tool the caller offers. A custom tool takes text instead of arguments. */
export interface Tool {
  readonly type: "function" | "custom";
  readonly name: string;
  readonly namespace: string | null;
  /** JSON schema of the arguments. */
  readonly schema: Json;
}

/** One turn of a conversation. */
export interface Turn {
  readonly role: string;
  readonly text: string;
  readonly images: number;
  /** Text of the last tool result in it; `null` when it holds none. */
  readonly result: string | null;
}

/** What a tool choice allows: everything, nothing, or the named ones. */
export type Allowed = "all" | "none" | readonly string[];

/** What a reader finds; the rest of an `Ask` follows from it. */
export interface AskParts {
  readonly body: JsonObject;
  readonly turns: readonly Turn[];
  readonly cap: Json | undefined;
  readonly tools: readonly Tool[];
  readonly allowed: Allowed;
  readonly schema: Json | undefined;
}

/** Builds an `Ask` from what a reader found. */
export function makeAsk({ body, turns, cap, tools, allowed, schema }: AskParts): Ask {
  const user = turns.findLast((turn) => turn.role === "user" && (turn.text || turn.images > 0));
  return {
    model: textOrEmpty(body["model"]),
    stream: body["stream"] === true,
    text: user?.text ?? "",
    images: user?.images ?? 0,
    toolResult: turns.at(-1)?.result ?? null,
    inputBytes: turns.reduce(
      (sum, turn) => sum + Buffer.byteLength(turn.text + (turn.result ?? "")),
      0,
    ),
    cap: typeof cap === "number" && cap >= 1 ? Math.floor(cap) : null,
    tools: allowedTools(tools, allowed),
    schema: schema ?? null,
  };
}

function allowedTools(tools: readonly Tool[], allowed: Allowed): readonly Tool[] {
  if (allowed === "all") return tools;
  if (allowed === "none") return [];
  return tools.filter((tool) => allowed.includes(tool.name));
}

/** The `text` of the parts that have any, a line each. */
export function textsOf(parts: readonly JsonObject[]): string {
  return parts.map((part) => textOrEmpty(part["text"])).filter(Boolean).join("\n");
}

/** The objects of a list; nothing in place of anything else. */
export function objectsOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
