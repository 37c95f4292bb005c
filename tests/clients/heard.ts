import { Buffer } from "node:buffer";
import type { DialectName } from "@/core/dialect_name.ts";
import { type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { type Ask, objectsOf, textsOf } from "@/plugins/echo/ask.ts";
import { WIRE_FORMATS } from "@/plugins/echo/upstream.ts";
import type { WireFormat } from "@/plugins/echo/wire_format.ts";
import type { SeenRequest } from "../upstream.ts";

/** What a request says to a model, whatever the wire. */
export interface Heard {
  readonly dialect: DialectName;
  readonly wire: WireFormat;
  readonly body: JsonObject;
  readonly ask: Ask;
  /** Calls of earlier turns, in order; inputs are text. */
  readonly calls: readonly HeardCall[];
  /** Results of tools, in order. */
  readonly results: readonly { readonly callId: string; readonly text: string }[];
  /** Images as URLs, `data:` ones for bytes. */
  readonly images: readonly string[];
  /** Signatures of replayed thinking, on the Chat wire those of calls. */
  readonly signatures: readonly string[];
  /** Reasoning that came back, readable or not. */
  readonly reasoning: readonly string[];
}

/** A call that a model hears of again. */
interface HeardCall {
  readonly id: string;
  readonly name: string;
  readonly input: string;
}

/** Reads a request in the wire format of its path. */
export function hear(request: SeenRequest): Heard {
  const path = request.path.split("?", 1)[0]!;
  const wire = WIRE_FORMATS.find((format) => path.endsWith(format.path));
  if (!wire) throw new Error(`Cannot hear ${path}`);
  const body = objectOrEmpty(JSON.parse(new TextDecoder().decode(request.body)));
  const dialect = DIALECT_OF[wire.path]!;
  return { dialect, wire, body, ask: wire.read(body), ...HISTORIES[dialect](body) };
}

const DIALECT_OF: Readonly<Record<string, DialectName>> = {
  "/chat/completions": "openai-chat",
  "/responses": "openai-responses",
  "/v1/messages": "anthropic",
};

type History = Pick<Heard, "calls" | "results" | "images" | "signatures" | "reasoning">;

const HISTORIES: Readonly<Record<DialectName, (body: JsonObject) => History>> = {
  "openai-chat": chatHistory,
  "openai-responses": responsesHistory,
  "anthropic": anthropicHistory,
};

const joined = (content: Json | undefined) => textOrEmpty(content) + textsOf(objectsOf(content));

function chatHistory(body: JsonObject): History {
  const messages = objectsOf(body["messages"]);
  return {
    calls: messages.flatMap(({ tool_calls }) => objectsOf(tool_calls)).map((call) => {
      const { name, arguments: text, input } = objectOrEmpty(call["function"] ?? call["custom"]);
      return {
        id: textOrEmpty(call["id"]),
        name: textOrEmpty(name),
        input: textOrEmpty(text ?? input),
      };
    }),
    results: messages.filter(({ role }) => role === "tool").map((message) => ({
      callId: textOrEmpty(message["tool_call_id"]),
      text: joined(message["content"]),
    })),
    images: messages.flatMap(({ content }) => objectsOf(content))
      .filter(({ type }) => type === "image_url")
      .map((part) => textOrEmpty(objectOrEmpty(part["image_url"])["url"])),
    signatures: messages.flatMap(({ tool_calls }) => objectsOf(tool_calls)).flatMap((call) => {
      const { google } = objectOrEmpty(call["extra_content"]);
      return textOrEmpty(objectOrEmpty(google)["thought_signature"]) || [];
    }),
    reasoning: messages.flatMap(({ reasoning_content }) => textOrEmpty(reasoning_content) || []),
  };
}

function responsesHistory(body: JsonObject): History {
  const items = objectsOf(body["input"]);
  const parts = items.flatMap(({ content, output }) => [
    ...objectsOf(content),
    ...objectsOf(output),
  ]);
  return {
    calls: items.filter(({ type }) => /^(function|custom_tool)_call$/.test(textOrEmpty(type)))
      .map((item) => ({
        id: textOrEmpty(item["call_id"]),
        name: textOrEmpty(item["name"]),
        input: textOrEmpty(item["arguments"] ?? item["input"]),
      })),
    results: items.filter(({ type }) => /_call_output$/.test(textOrEmpty(type))).map((item) => ({
      callId: textOrEmpty(item["call_id"]),
      text: joined(item["output"]),
    })),
    images: parts.filter(({ type }) => type === "input_image")
      .map(({ image_url }) => textOrEmpty(image_url)),
    signatures: [],
    reasoning: items.filter(({ type }) => type === "reasoning")
      .map(({ summary }) => textsOf(objectsOf(summary))),
  };
}

function anthropicHistory(body: JsonObject): History {
  const blocks = objectsOf(body["messages"]).flatMap(({ content }) => objectsOf(content));
  const all = blocks.flatMap((block) => [block, ...objectsOf(block["content"])]);
  const ofType = (wanted: string) => all.filter(({ type }) => type === wanted);
  return {
    calls: ofType("tool_use").map(({ id, name, input }) => ({
      id: textOrEmpty(id),
      name: textOrEmpty(name),
      input: JSON.stringify(input),
    })),
    results: ofType("tool_result").map(({ tool_use_id, content }) => ({
      callId: textOrEmpty(tool_use_id),
      text: joined(content),
    })),
    images: ofType("image").map(({ source }) => imageUrl(objectOrEmpty(source))),
    signatures: ofType("thinking").map(({ signature }) => textOrEmpty(signature)),
    reasoning: ofType("thinking").map(({ thinking }) => textOrEmpty(thinking)),
  };
}

function imageUrl({ url, media_type, data }: JsonObject): string {
  return url === undefined
    ? `data:${textOrEmpty(media_type)};base64,${textOrEmpty(data)}`
    : textOrEmpty(url);
}

/** Bytes of a request, four to a token. */
export const tokensOf = (heard: Heard) => Buffer.byteLength(JSON.stringify(heard.body)) >> 2;
