import { createHash } from "node:crypto";
import type { Tool } from "@/plugins/echo/ask.ts";
import { bytesOf } from "@/plugins/echo/body.ts";
import type { Part, Usage } from "@/plugins/echo/reply.ts";
import { type Behaviour, partial, reply, sse } from "../upstream.ts";
import { hear, type Heard, tokensOf } from "./heard.ts";

/** One thing a model says. */
export type Said =
  | { readonly type: "text" | "reasoning"; readonly text: string }
  | { readonly type: "call"; readonly tool: Tool; readonly input: string }
  /** The connection breaks inside what was said before. */
  | { readonly type: "break" };

/** What a model says to a conversation: it knows nothing but what it hears. */
export type Turn = (heard: Heard) => readonly Said[];

/** A scripted model: it speaks the dialect it is spoken to. */
export interface Model {
  readonly behaviour: Behaviour;
  /** What it heard, in order. */
  readonly heard: readonly Heard[];
  /** Ids of the calls it made, and the usage it reported, in order. */
  readonly issued: readonly string[];
  readonly usage: readonly Usage[];
  /** Errors of the script itself. */
  readonly faults: readonly unknown[];
}

/** Splits nothing evenly: not frames, not characters, not escapes. */
const CHUNK_BYTES = 61;

/** Builds a model from its script. */
export function scriptedModel(turn: Turn): Model {
  const heard: Heard[] = [];
  const issued: string[] = [];
  const usage: Usage[] = [];
  const faults: unknown[] = [];
  function answer(request: Heard): Behaviour {
    heard.push(request);
    const script = turn(request);
    const said = script.filter((one) => one.type !== "break");
    const breaks = said.length < script.length;
    const seed = digest(`${heard.length} ${JSON.stringify(request.body)}`);
    const parts = said.map((one, index) => partOf(one, digest(`${seed} ${index}`).slice(0, 24)));
    const prefix = request.dialect === "anthropic" ? "toolu_" : "call_";
    for (const part of parts) if (part.type === "tool_call") issued.push(prefix + part.callId);
    const used = {
      input: tokensOf(request),
      output: 100 + heard.length,
      reasoning: said.some(({ type }) => type === "reasoning") ? 7 : 0,
    };
    usage.push(used);
    const written = {
      seed,
      created: 1_790_000_000,
      model: "scripted-1",
      parts,
      finish: breaks ? null : finishOf(parts),
      usage: used,
    };
    const { wire, body, ask } = request;
    const signed = request.dialect === "openai-chat" ? signCalls : (text: string) => text;
    if (!ask.stream) return reply(JSON.parse(signed(JSON.stringify(wire.write(written, body)))));
    const plain = new TextDecoder().decode(concat([...bytesOf(wire.stream(written, body))]));
    const stream = new TextEncoder().encode(signed(plain));
    return breaks ? partial(stream, "reset") : sse(stream, { chunkBytes: CHUNK_BYTES });
  }
  return {
    heard,
    issued,
    usage,
    faults,
    async behaviour(exchange) {
      let behaviour: Behaviour;
      try {
        behaviour = answer(hear(exchange.request));
      } catch (error) {
        faults.push(error);
        behaviour = reply({ error: { message: "Scripted fault" } }, { status: 400 });
      }
      await behaviour(exchange);
    },
  };
}

/** What signs a call on the Chat wire: it is to come back with it, as Gemini wants. */
export const signatureOf = (callId: string) => `signed:${callId}`;

function signCalls(text: string): string {
  return text.replaceAll(/"id":"(call_\w+)"/g, (member, id) => {
    const attached = { google: { thought_signature: signatureOf(id) } };
    return `${member},"extra_content":${JSON.stringify(attached)}`;
  });
}

const finishOf = (parts: readonly Part[]) =>
  parts.some(({ type }) => type === "tool_call") ? "tool_calls" as const : "stop" as const;

function partOf(said: Exclude<Said, { type: "break" }>, callId: string): Part {
  if (said.type !== "call") return { type: said.type, frames: pieces(said.text) };
  return { type: "tool_call", tool: said.tool, callId, frames: pieces(said.input) };
}

const pieces = (text: string) => text.match(/[\s\S]{1,9}/gu) ?? [];

const digest = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);

function concat(all: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(all.flatMap((bytes) => [...bytes]));
}
