import type { ChatRequest, Message, Part, PartOf } from "@/core/chat.ts";

/** What a part has that no wire said anything special about. */
export const plain = { extra: {} } as const;

/** A text part. */
export function text(value: string, more: Pick<Part, "cache"> = {}): PartOf<"text" | "refusal"> {
  return { type: "text", text: value, ...plain, ...more };
}

/** A turn of the user. */
export function user(...parts: readonly Part[]): Message {
  return { role: "user", parts, ...plain };
}

/** A request that asks nothing but one short turn, and what a test changes of it. */
export function requestOf(changes: Partial<ChatRequest>): ChatRequest {
  return {
    model: "up-1",
    instructions: [],
    messages: [user(text("hi"))],
    tools: [],
    output: { type: "text" },
    stop: [],
    sampling: {},
    stream: false,
    includeUsage: true,
    cacheAuto: false,
    extra: {},
    ...changes,
  };
}
