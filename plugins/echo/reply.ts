import { Buffer } from "node:buffer";
import type { Json } from "@/core/json.ts";
import { type Ask, type Tool } from "./ask.ts";
import type { Script } from "./script.ts";
import { smallest } from "./smallest.ts";

/** A scripted reply, whatever wire format it is written in. */
export interface Reply {
  /** 32 hex digits; every id of the reply derives from them. */
  readonly seed: string;
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
  readonly parts: readonly Part[];
  /** `null`: the reply breaks off inside its last part. */
  readonly finish: Finish | null;
  /** `null`: the provider reports none. */
  readonly usage: Usage | null;
}

/** Why a reply ends. */
export type Finish = "stop" | "length" | "tool_calls";

/** One part; its value is its frames joined. */
export type Part =
  | { readonly type: "text" | "reasoning"; readonly frames: readonly string[] }
  | {
    readonly type: "tool_call";
    readonly tool: Tool;
    readonly callId: string;
    readonly frames: readonly string[];
  };

/** Tokens, four bytes each; reasoning counts into output. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly reasoning: number;
}

const BYTES_PER_TOKEN = 4;
const FRAMES_BEFORE_A_BREAK = 2;

/** Computes what a scripted model says to a request. */
export function scriptReply(
  ask: Ask,
  { script, seed, created }: { script: Script; seed: string; created: number },
): Reply {
  const whole = partsOf(ask, script, seed);
  const parts = ask.cap === null ? whole : cut(whole, ask.cap * BYTES_PER_TOKEN);
  const called = parts.some((part) => part.type === "tool_call");
  return {
    seed,
    created,
    model: ask.model,
    parts: breaks(script) ? parts.map(firstFrames) : parts,
    finish: breaks(script) ? null : parts !== whole ? "length" : called ? "tool_calls" : "stop",
    usage: script.type === "no_usage" ? null : usageOf(ask, parts),
  };
}

/** A part's value. */
export function valueOf(part: Part): string {
  return part.frames.join("");
}

function breaks(script: Script): boolean {
  return script.type === "error_in_stream" || script.type === "drop_mid_stream";
}

function partsOf(ask: Ask, script: Script, seed: string): readonly Part[] {
  switch (script.type) {
    case "tool_call":
      return toolCall(ask, seed) ?? [text(ask.toolResult ?? spoken(ask))];
    case "json":
      return [text(JSON.stringify(smallest(jsonSchema(ask.schema))))];
    case "reasoning":
      return [{ type: "reasoning", frames: words(thought(ask)) }, text(spoken(ask))];
    default:
      return [text(spoken(ask))];
  }
}

function jsonSchema(schema: Json): Json {
  return schema ?? { type: "object" };
}

function text(value: string): Part {
  return { type: "text", frames: words(value) };
}

/** What the echo says: never nothing, since a reply without content is a fault. */
function spoken(ask: Ask): string {
  const seen = ask.images > 0 ? `[${ask.images} image${ask.images > 1 ? "s" : ""}]` : "";
  return [ask.text, seen].filter(Boolean).join(" ") || "(nothing to echo)";
}

function thought(ask: Ask): string {
  return `The caller sent ${Buffer.byteLength(ask.text)} bytes of text, so they go back.`;
}

function toolCall(ask: Ask, seed: string): readonly Part[] | null {
  const tool = ask.tools[0];
  if (!tool || ask.toolResult !== null) return null;
  const value = tool.type === "custom" ? spoken(ask) : JSON.stringify(smallest(tool.schema));
  return [{ type: "tool_call", tool, callId: seed.slice(0, 24), frames: slices(value) }];
}

/** A word per frame; spaces go before a word, the last ones after it. */
function words(value: string): readonly string[] {
  if (value.trim() === "") return value === "" ? [] : [value];
  return value.match(/\s*\S+(?:\s+$)?/g) ?? [value];
}

/** Arguments come in pieces that split anywhere but inside a character. */
function slices(value: string): readonly string[] {
  return value.match(/.{1,12}/gsu) ?? [];
}

/** The first `maxBytes` of the parts; the very list when all of it fits. */
function cut(parts: readonly Part[], maxBytes: number): readonly Part[] {
  if (Buffer.byteLength(parts.map(valueOf).join("")) <= maxBytes) return parts;
  const kept: Part[] = [];
  let left = maxBytes;
  for (const part of parts) {
    const frames = prefix(part.frames, left);
    if (frames.length === 0) break;
    kept.push({ ...part, frames });
    left -= Buffer.byteLength(frames.join(""));
  }
  return kept;
}

/** Whole characters of `frames`, at most `maxBytes` of UTF-8. */
function prefix(frames: readonly string[], maxBytes: number): readonly string[] {
  const kept: string[] = [];
  let left = maxBytes;
  for (const frame of frames) {
    const bytes = Buffer.byteLength(frame);
    const piece = bytes <= left ? frame : frame.slice(0, fitting(frame, left));
    if (piece !== "") kept.push(piece);
    if (bytes > left) break;
    left -= bytes;
  }
  return kept;
}

function fitting(value: string, maxBytes: number): number {
  let left = maxBytes;
  let units = 0;
  for (const character of value) {
    left -= Buffer.byteLength(character);
    if (left < 0) break;
    units += character.length;
  }
  return units;
}

/** Exactly two frames, so that a break always stands between content and content. */
function firstFrames(part: Part): Part {
  const frames = [...part.frames, " ...", " ..."].slice(0, FRAMES_BEFORE_A_BREAK);
  return { ...part, frames };
}

function usageOf(ask: Ask, parts: readonly Part[]): Usage {
  const thoughts = parts.filter((part) => part.type === "reasoning");
  return {
    input: Math.max(1, tokens(ask.inputBytes)),
    output: tokens(Buffer.byteLength(parts.map(valueOf).join(""))),
    reasoning: tokens(Buffer.byteLength(thoughts.map(valueOf).join(""))),
  };
}

function tokens(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}
