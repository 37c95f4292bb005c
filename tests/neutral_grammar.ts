import assert from "node:assert/strict";
import type { ChatResponse, Part, StreamEvent } from "@/core/chat.ts";

/** Asserts the grammar of neutral events: one start, parts in order, one end. */
export function assertEvents(events: readonly StreamEvent[]): void {
  const end = events.at(-1);
  assert.equal(end?.type, "message_end");
  const broken = end?.type === "message_end" && end.finish.reason === "error";
  if (broken && events.length === 1) return;
  assert.equal(events[0]?.type, "message_start");
  const open = new Set<number>();
  let next = 0;
  for (const event of events.slice(1, -1)) {
    switch (event.type) {
      case "part_start":
        assert.equal(event.index, next++, "parts are numbered in order of start");
        open.add(event.index);
        break;
      case "part_delta":
        assert(open.has(event.index), "a delta lies in an open part");
        break;
      case "part_end":
        assert(open.delete(event.index), "a part ends once");
        break;
      default:
        assert.fail(`a stream has one ${event.type}`);
    }
  }
  if (!broken) assert.equal(open.size, 0, "every part ends");
}

/** What a reply says, in the order in which it says it, in terms that every dialect has. */
export interface Said {
  readonly text: string;
  readonly refusal: string;
  readonly reasoning: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly input: string }[];
}

/** What a reply says. */
export function saidBy({ parts }: Pick<ChatResponse, "parts">): Said {
  const texts = (type: "text" | "refusal") =>
    parts.map((part) => part.type === type ? part.text : "").join("");
  return {
    text: texts("text"),
    refusal: texts("refusal"),
    reasoning: parts.map((part) => part.type === "reasoning" ? part.text : "").join(""),
    calls: parts.flatMap((part: Part) =>
      part.type === "tool_call" ? [{ id: part.id, name: part.name, input: part.input }] : []
    ),
  };
}
