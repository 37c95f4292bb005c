import type { PartHead, StreamEvent } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import type { Stepper } from "@/core/stream.ts";
import { classifyEvent, failure, type UpstreamError } from "@/core/upstream_error.ts";
import { NO_USAGE } from "@/core/usage.ts";
import type { SseFrame } from "@/core/wire.ts";
import { faultOf, frameJson } from "../frame_json.ts";
import { readResponseExtra } from "./decode_response.ts";
import {
  beginItem,
  endItem,
  feedItem,
  finishItem,
  type OpenItem,
  type PartSink,
} from "./item_stream.ts";
import { RESPONSES } from "./items.ts";
import { type Held, readFinish, responseUsage } from "./reply.ts";

/** Frames in a row that may be no JSON. */
const MAX_BAD_FRAMES = 2;
const DELTA =
  /^response\.(?:output_text|refusal|reasoning_summary_text|reasoning_text|function_call_arguments|custom_tool_call_input)\.(?:delta|done)$/;
const PIECE = /^response\.(?:content_part|reasoning_summary_part)\.(?:added|done)$/;
const NOTHING: readonly StreamEvent[] = [];

/** What a reader of a stream knows so far. */
interface State {
  events: StreamEvent[];
  started: boolean;
  ended: boolean;
  badFrames: number;
  /** A closing value differed from what arrived. */
  mismatch: boolean;
  parts: number;
  held: { -readonly [Fact in keyof Held]: Held[Fact] };
  /** Items by output index, else by id. */
  readonly items: Map<Json, OpenItem>;
  readonly byId: Map<string, OpenItem>;
}

/**
 * Reads a stream of `response.*` events: values that only a closing event states, items that only the
 * terminal event lists, missing indexes and piece events are all made up for.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export function decodeResponsesStream(): Stepper<SseFrame, StreamEvent> {
  const state: State = {
    events: [],
    started: false,
    ended: false,
    badFrames: 0,
    mismatch: false,
    parts: 0,
    held: { content: false, call: false, refusal: false },
    items: new Map(),
    byId: new Map(),
  };
  const sink: PartSink = {
    start: (part) => startPart(state, part),
    delta(index, text) {
      state.events.push({ type: "part_delta", index, text });
    },
    end(index, rest) {
      state.events.push({ type: "part_end", index, ...rest });
    },
    mismatch() {
      state.mismatch = true;
    },
  };
  return {
    step({ event, data }) {
      if (state.ended || data === "" || data === "[DONE]") return NOTHING;
      state.events = [];
      const value = frameJson(data);
      if (value === null) readGarbage(state);
      else {
        state.badFrames = 0;
        readEvent(state, sink, value, textOrEmpty(value["type"]) || event);
      }
      return state.events;
    },
    end() {
      if (state.ended) return NOTHING;
      state.events = [];
      breakOff(state, failure("upstream_network", 200));
      return state.events;
    },
  };
}

function readEvent(state: State, sink: PartSink, value: JsonObject, type: string): void {
  if (DELTA.test(type) || PIECE.test(type)) {
    start(state, {});
    return feedItem(itemOf(state, sink, value, type), sink, value, type);
  }
  const response = objectOrEmpty(value["response"]);
  if (type === "error" || type === "response.failed" || isObject(value["error"])) {
    return breakOff(
      state,
      classifyEvent(faultOf(value["error"] ?? response["error"] ?? value), 200),
    );
  }
  if (isObject(value["response"])) start(state, response);
  if (type === "response.completed" || type === "response.incomplete") {
    return finish(state, sink, response);
  }
  const item = value["item"];
  if (!isObject(item) || !type.startsWith("response.output_item.")) return;
  start(state, {});
  const open = itemOf(state, sink, value, type);
  if (type === "response.output_item.done") finishItem(open, sink, item);
}

/** A frame that is no JSON is skipped, unless there are many or a call could be missing a piece. */
function readGarbage(state: State): void {
  state.badFrames++;
  const inCall = [...state.items.values()].some(({ call, done }) => call && !done);
  if (inCall || state.badFrames > MAX_BAD_FRAMES) {
    breakOff(state, failure("upstream_bad_response", 200));
  }
}

function start(state: State, response: JsonObject): void {
  if (state.started) return;
  state.started = true;
  const createdAt = response["created_at"];
  state.events.push({
    type: "message_start",
    id: textOrEmpty(response["id"]),
    model: textOrEmpty(response["model"]),
    createdAt: typeof createdAt === "number" ? Math.trunc(createdAt) : 0,
    usage: responseUsage(response["usage"]) ?? NO_USAGE,
    extra: {},
  });
}

function startPart(state: State, part: PartHead): number {
  const index = state.parts++;
  state.held.content = true;
  if (part.type === "tool_call") state.held.call = true;
  if (part.type === "refusal") state.held.refusal = true;
  state.events.push({ type: "part_start", index, part });
  return index;
}

/** The item an event is about, opened when it is new. */
function itemOf(state: State, sink: PartSink, value: JsonObject, type: string): OpenItem {
  const item = objectOrEmpty(value["item"]);
  const id = textOrEmpty(value["item_id"]) || textOrEmpty(item["id"]);
  const key = value["output_index"] ?? id;
  const known = state.items.get(key) ?? state.byId.get(id);
  return known ?? openItem(state, sink, { key, id, item, type });
}

/** One that comes in the place of another, as a terminal event may state it, ends that. */
function openItem(
  state: State,
  sink: PartSink,
  at: { key: Json; id: string; item: JsonObject; type: string },
): OpenItem {
  const before = state.items.get(at.key);
  if (before) endItem(before, sink);
  const open = beginItem(sink, at.item, at.type);
  state.items.set(at.key, open);
  if (at.id !== "") state.byId.set(at.id, open);
  return open;
}

function finish(state: State, sink: PartSink, response: JsonObject): void {
  const output = response["output"];
  if (Array.isArray(output)) {
    output.filter(isObject).forEach((item, index) => {
      const id = textOrEmpty(item["id"]);
      const atIndex = state.items.get(index);
      const known = state.byId.get(id) ?? (atIndex?.type === item["type"] ? atIndex : undefined);
      finishItem(
        known ?? openItem(state, sink, { key: id || index, id, item, type: "" }),
        sink,
        item,
      );
    });
  }
  for (const item of state.items.values()) endItem(item, sink);
  state.ended = true;
  state.events.push({
    type: "message_end",
    finish: readFinish(response, state.held),
    usage: responseUsage(response["usage"]) ?? NO_USAGE,
    extra: { [RESPONSES]: readResponseExtra(response) },
    ...(state.mismatch && { mismatch: true }),
  });
}

function breakOff(state: State, error: UpstreamError): void {
  state.ended = true;
  const finish = { reason: "error", error } as const;
  state.events.push({ type: "message_end", finish, usage: NO_USAGE, extra: {} });
}
