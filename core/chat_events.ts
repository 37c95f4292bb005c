import type { ChatResponse, Extra, Part, PartHead, Proof, StreamEvent } from "./chat.ts";

/** A whole reply as the events of a stream: each part in one delta. */
export function* eventsOf(response: ChatResponse): Generator<StreamEvent> {
  const { id, model, createdAt, usage, finish, extra } = response;
  yield { type: "message_start", id, model, createdAt, usage, extra: {} };
  for (const [index, part] of response.parts.entries()) {
    const opened = open(part);
    if (!opened) continue;
    yield { type: "part_start", index, part: opened.head };
    if (opened.text !== "") yield { type: "part_delta", index, text: opened.text };
    yield { type: "part_end", index, extra: part.extra, ...proofOf(part) };
  }
  yield { type: "message_end", finish, usage, extra };
}

function proofOf(part: Part): { proof?: Proof } {
  return part.type === "reasoning" && part.proof ? { proof: part.proof } : {};
}

/** `null` for parts that only requests have. */
function open(part: Part): { head: PartHead; text: string } | null {
  switch (part.type) {
    case "text":
    case "refusal":
      return { head: { type: part.type }, text: part.text };
    case "reasoning":
      return { head: { type: "reasoning", summary: part.summary }, text: part.text };
    case "tool_call": {
      const { type, id, name, namespace, form, input } = part;
      const named = namespace === undefined ? { name } : { name, namespace };
      return { head: { type, id, form, ...named }, text: input };
    }
    case "opaque":
      return { head: { type: "opaque", dialect: part.dialect, value: part.value }, text: "" };
    case "image":
    case "tool_result":
      return null;
  }
}

interface OpenPart {
  readonly head: PartHead;
  readonly texts: string[];
  proof?: Proof;
  extra: Extra;
}

/** The reply that the events of a stream amount to; `null` when they do not reach an end. */
export function responseOf(events: Iterable<StreamEvent>): ChatResponse | null {
  const open = new Map<number, OpenPart>();
  let start: Extract<StreamEvent, { type: "message_start" }> | null = null;
  for (const event of events) {
    switch (event.type) {
      case "message_start":
        start = event;
        break;
      case "part_start":
        open.set(event.index, { head: event.part, texts: [], extra: {} });
        break;
      case "part_delta":
        open.get(event.index)?.texts.push(event.text);
        break;
      case "part_end": {
        const part = open.get(event.index);
        if (part && event.proof) part.proof = event.proof;
        if (part && event.extra) part.extra = event.extra;
        break;
      }
      case "message_end": {
        const { finish, usage, extra } = event;
        const { id = "", model = "", createdAt = 0 } = start ?? {};
        const parts = [...open.values()].map(({ texts, ...part }) =>
          wholePart({ ...part, text: texts.join("") })
        );
        return { id, model, createdAt, parts, finish, usage, extra };
      }
    }
  }
  return null;
}

/** What is known of a part when it has ended. */
export interface EndedPart {
  readonly head: PartHead;
  readonly text: string;
  readonly proof?: Proof | undefined;
  readonly extra: Extra;
}

/** A part that ended, whole. */
export function wholePart({ head, text, proof, extra }: EndedPart): Part {
  switch (head.type) {
    case "text":
    case "refusal":
      return { type: head.type, text, extra: { ...head.extra, ...extra } };
    case "reasoning":
      return { ...head, text, extra, ...(proof ? { proof } : {}) };
    case "tool_call":
      return { ...head, input: text, extra };
    case "opaque":
      return { ...head, extra };
  }
}
