import assert from "node:assert/strict";
import { responseOf } from "@/core/chat_events.ts";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { stepAll } from "@/core/stream.ts";
import type { SseFrame } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { framesOf, recordings } from "./recordings.ts";

const decoder = new TextDecoder();

/** Content that no dialect knows. */
const UNKNOWN = { type: "from_the_future", note: "n" };

/** A whole reply with content that nobody knows, for each place where content may stand. */
function planted(dialect: DialectName, reply: JsonObject): readonly JsonObject[] {
  const listed = (key: string) => ({ ...reply, [key]: [...asList(reply[key]), UNKNOWN] });
  if (dialect === "anthropic") return [listed("content")];
  if (dialect === "openai-responses") {
    const output = asList(reply["output"]).map((item) =>
      isObject(item) && item["type"] === "message"
        ? { ...item, content: [...asList(item["content"]), UNKNOWN] }
        : item
    );
    const inMessage = JSON.stringify(output) !== JSON.stringify(reply["output"]);
    return [listed("output"), ...(inMessage ? [{ ...reply, output }] : [])];
  }
  const [choice] = asList(reply["choices"]).filter(isObject);
  const message = Object(choice?.["message"]);
  const text = typeof message.content === "string" ? message.content : "";
  const content = [{ type: "text", text }, UNKNOWN];
  return [{ content }, { images: [UNKNOWN] }, { audio: UNKNOWN }, { annotations: [UNKNOWN] }]
    .map((more) => ({ ...reply, choices: [{ ...choice, message: { ...message, ...more } }] }));
}

function asList(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** A stream in which a frame that ends or holds content has content nobody knows, too. */
function plantedStream(dialect: DialectName, frames: readonly SseFrame[]): SseFrame[] | null {
  const at = frames.findIndex(({ data }) => STREAM_PLACES[dialect].test(data));
  if (at === -1) return null;
  const value: JsonObject = JSON.parse(frames[at]!.data);
  const changed = STREAM_PLANTS[dialect](value);
  return frames.flatMap((frame, index) => {
    if (index !== at) return [frame];
    return changed.map((each) => ({
      event: String(each["type"] ?? ""),
      data: JSON.stringify(each),
    }));
  });
}

/** Which frame is changed. */
const STREAM_PLACES: Readonly<Record<DialectName, RegExp>> = {
  "anthropic": /"message_delta"/,
  "openai-chat": /"delta":\{"content"/,
  "openai-responses": /"response\.output_item\.done".*"type":"message"/,
};

const STREAM_PLANTS: Readonly<Record<DialectName, (value: JsonObject) => readonly JsonObject[]>> = {
  "anthropic": (value) => [
    { type: "content_block_start", index: 99, content_block: UNKNOWN },
    { type: "content_block_stop", index: 99 },
    value,
  ],
  "openai-chat": (value) => [
    value,
    { ...value, choices: [{ index: 0, delta: { content: [UNKNOWN] } }] },
  ],
  "openai-responses": (value) => {
    const item = Object(value["item"]);
    const part = { output_index: value["output_index"], content_index: 9, part: UNKNOWN };
    return [
      { type: "response.content_part.added", item_id: item.id, ...part },
      { type: "response.content_part.done", item_id: item.id, ...part },
      { ...value, item: { ...item, content: [...asList(item.content), UNKNOWN] } },
    ];
  },
};

/** Kinds of parts beside those of the reply as it was recorded. */
function beyond(said: readonly { readonly type: string }[], base: readonly { type: string }[]) {
  const kinds = base.map(({ type }) => type);
  return said.map(({ type }) => type).filter((type) => {
    const at = kinds.indexOf(type);
    if (at !== -1) kinds.splice(at, 1);
    return at === -1;
  });
}

for (const name of DIALECT_NAMES) {
  const dialect = dialects.get(name);

  Deno.test(`${name}: content of a reply that no dialect knows is a part that is told`, () => {
    const whole = recordings(name).filter(({ streamed }) => !streamed);
    for (const { name: title, reply } of whole) {
      const recorded: JsonObject = JSON.parse(decoder.decode(reply));
      const base = dialect.decodeResponse({ body: recorded, bytes: reply }).parts;
      for (const body of planted(name, recorded)) {
        const bytes = new TextEncoder().encode(JSON.stringify(body));
        const { parts } = dialect.decodeResponse({ body, bytes });
        assert.deepEqual(beyond(parts, base), ["opaque"], `${title}: ${JSON.stringify(body)}`);
      }
    }
  });

  Deno.test(`${name}: content of a stream that no dialect knows is a part that is told`, () => {
    let count = 0;
    for (const recording of recordings(name).filter(({ streamed }) => streamed)) {
      const frames = framesOf(recording.reply);
      const changed = plantedStream(name, frames);
      const base = responseOf(stepAll(frames, dialect.decodeStream()));
      if (!changed || !base || base.finish.error) continue;
      const read = responseOf(stepAll(changed, dialect.decodeStream()));
      assert(read);
      assert.deepEqual(beyond(read.parts, base.parts), ["opaque"], recording.name);
      const said = (parts: typeof base.parts) => parts.flatMap((p) => "text" in p ? p.text : []);
      assert.deepEqual(said(read.parts), said(base.parts), recording.name);
      count++;
    }
    assert(count > 1);
  });
}
