import type { StreamEvent } from "@/core/chat.ts";
import type { Stepper } from "@/core/stream.ts";

const NOTHING: readonly StreamEvent[] = [];

/**
 * Brings the parts of a stream one after the other, for wires that keep one part open. The deltas of
 * the open part pass at once, everything of the others waits. A part closes at its end, at the end of
 * the message, or, being a call with a whole JSON object, when another part has something to say; the
 * waiting ones follow in order of start. Indexes stay as they are. A message that breaks closes nothing.
 */
export function serialParts(): Stepper<StreamEvent, StreamEvent> {
  return new SerialParts();
}

class SerialParts implements Stepper<StreamEvent, StreamEvent> {
  /** Index of the open part; -1: none. */
  #open = -1;
  /** The arguments of the open part when it is a call of a function. */
  #call: ObjectText | null = null;
  /** Events of parts that started meanwhile, in order of start. */
  readonly #waiting = new Map<number, StreamEvent[]>();
  /** Parts that were closed before their end came. */
  readonly #closed = new Set<number>();

  step(event: StreamEvent): readonly StreamEvent[] {
    switch (event.type) {
      case "message_start":
        return [event];
      case "message_end":
        return event.finish.reason === "error" ? [event] : [...this.#closeAll(), event];
      default:
        return this.#stepPart(event);
    }
  }

  end(): readonly StreamEvent[] {
    return NOTHING;
  }

  #stepPart(event: PartEvent): readonly StreamEvent[] {
    if (event.index === this.#open || (this.#open === -1 && event.type === "part_start")) {
      this.#pass(event);
      if (event.type !== "part_end" || this.#waiting.size === 0) return [event];
      return this.#release([event]);
    }
    if (this.#closed.has(event.index)) return NOTHING;
    const events = this.#waiting.get(event.index);
    if (events) events.push(event);
    else this.#waiting.set(event.index, [event]);
    return this.#call?.complete ? this.#release([]) : NOTHING;
  }

  /** Notes what an event does to the open part. */
  #pass(event: PartEvent): void {
    if (event.type === "part_start") {
      const { part } = event;
      this.#open = event.index;
      this.#call = part.type === "tool_call" && part.form === "function" ? new ObjectText() : null;
    } else if (event.type === "part_delta") {
      this.#call?.push(event.text);
    } else {
      this.#open = -1;
      this.#call = null;
    }
  }

  /** Lets the waiting parts follow, as far as the part before each of them can close. */
  #release(out: StreamEvent[]): StreamEvent[] {
    for (const [index, events] of this.#waiting) {
      if (this.#open !== -1 && !this.#call?.complete) break;
      this.#close(out);
      this.#waiting.delete(index);
      for (const event of events) {
        if (event.type === "message_start" || event.type === "message_end") continue;
        this.#pass(event);
        out.push(event);
      }
    }
    return out;
  }

  #closeAll(): StreamEvent[] {
    const out: StreamEvent[] = [];
    this.#close(out);
    while (this.#waiting.size > 0) {
      this.#release(out);
      this.#close(out);
    }
    return out;
  }

  #close(out: StreamEvent[]): void {
    if (this.#open === -1) return;
    this.#closed.add(this.#open);
    out.push({ type: "part_end", index: this.#open });
    this.#open = -1;
    this.#call = null;
  }
}

type PartEvent = Extract<StreamEvent, { readonly index: number }>;

const SPACE = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** Watches a JSON text grow until it is a whole object; one that begins otherwise never is. */
class ObjectText {
  complete = false;
  #other = false;
  #depth = 0;
  #inString = false;
  #escaped = false;

  push(text: string): void {
    for (let at = 0; at < text.length && !this.complete && !this.#other; at++) {
      this.#next(text.charCodeAt(at));
    }
  }

  #next(code: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (this.#inString) {
      if (code === BACKSLASH) this.#escaped = true;
      else if (code === QUOTE) this.#inString = false;
    } else if (code === OPEN_BRACE) this.#depth++;
    else if (this.#depth === 0) this.#other = code > SPACE;
    else if (code === QUOTE) this.#inString = true;
    else if (code === CLOSE_BRACE) this.complete = --this.#depth === 0;
  }
}
