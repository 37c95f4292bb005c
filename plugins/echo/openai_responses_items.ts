import type { JsonObject } from "@/core/json.ts";
import { type Part, type Reply, valueOf } from "./reply.ts";

/** Where an item of a response stands, and what it is. */
export interface Place {
  readonly part: Part;
  readonly index: number;
  /** Id of the item. */
  readonly id: string;
}

type Status = "in_progress" | "completed" | "incomplete";

/** The items of a reply in output order. */
export function placesOf(reply: Reply): readonly Place[] {
  return reply.parts.map((part, index) => ({
    part,
    index,
    id: `${idPrefix(part)}_${reply.seed}_${index}`,
  }));
}

function idPrefix(part: Part): string {
  switch (part.type) {
    case "text":
      return "msg";
    case "reasoning":
      return "rs";
    case "tool_call":
      return part.tool.type === "custom" ? "ctc" : "fc";
  }
}

/** An item as it opens: without its value. */
export function openItem({ part, id }: Place): JsonObject {
  switch (part.type) {
    case "text":
      return message(id, "in_progress", []);
    case "reasoning":
      return { id, type: "reasoning", summary: [] };
    case "tool_call":
      return call(part, id, { status: "in_progress", value: "" });
  }
}

/** An item with its value; only the last one can be cut short. */
export function fullItem(place: Place, reply: Reply): JsonObject {
  const { part, id, index } = place;
  const status = reply.finish === "length" && index === reply.parts.length - 1
    ? "incomplete"
    : "completed";
  switch (part.type) {
    case "text":
      return message(id, status, [textPart(valueOf(part))]);
    case "reasoning":
      return { id, type: "reasoning", summary: [summaryPart(valueOf(part))] };
    case "tool_call":
      return call(part, id, { status, value: valueOf(part) });
  }
}

/** The content part of a message item. */
export function textPart(text: string): JsonObject {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

/** The summary part of a reasoning item. */
export function summaryPart(text: string): JsonObject {
  return { type: "summary_text", text };
}

function message(id: string, status: Status, content: readonly JsonObject[]): JsonObject {
  return { id, type: "message", status, role: "assistant", content };
}

function call(
  part: Part & { type: "tool_call" },
  id: string,
  { status, value }: { status: Status; value: string },
): JsonObject {
  const { tool } = part;
  return {
    id,
    type: tool.type === "custom" ? "custom_tool_call" : "function_call",
    status,
    call_id: `call_${part.callId}`,
    name: tool.name,
    ...(tool.namespace === null ? {} : { namespace: tool.namespace }),
    ...(tool.type === "custom" ? { input: value } : { arguments: value }),
  };
}
