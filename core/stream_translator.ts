import type { StreamEvent } from "./chat.ts";
import type { StreamEncoder } from "./dialect.ts";
import type { GatewayError } from "./errors.ts";
import type { Stepper } from "./stream.ts";
import type { UpstreamError } from "./upstream_error.ts";
import type { UsageReport } from "./usage.ts";
import type { FieldEvent, SseFrame } from "./wire.ts";

/** What a stream goes through between two dialects, and what the gateway adds. */
export interface TranslatorParts {
  readonly decoder: Stepper<SseFrame, StreamEvent>;
  /** Gives calls their own names and form back. */
  readonly restore: Stepper<StreamEvent, StreamEvent>;
  readonly encoder: StreamEncoder;
  /** Unix seconds, for an upstream that says nothing. */
  readonly createdAt: number;
  /** Input tokens shown at the start when the upstream says nothing. */
  readonly estimatedInput: number;
  /** The numbers shown at the end. */
  usage(): UsageReport;
  /** Told what of the reply the caller does not get as it was. */
  note(event: FieldEvent): void;
}

/** Turns the frames of one dialect into the text of another, frame by frame. */
export interface StreamTranslator {
  /** The caller's text for a frame; empty when it says nothing yet. */
  write(frame: SseFrame): string;
  /** The caller's text when the upstream has closed. */
  end(): string;
  /** The text that ends a stream that cannot go on. */
  fail(error: GatewayError, requestId: string): string;
  /** What broke the stream as its reader sees it; `null` while nothing did. */
  fault(): UpstreamError | null;
}

/** A part that only the provider's own wire holds: the caller's has no place for it. */
export const OPAQUE_LEFT_OUT: FieldEvent = {
  field: "content",
  action: "stripped",
  reason: "no-counterpart",
};
/** What was streamed is not what the provider said at the end. */
const MISMATCH: FieldEvent = { field: "content", action: "rewritten", reason: "stream_mismatch" };

/** A frame as it stands on the wire, blank line included. */
function frameText({ event, data }: SseFrame): string {
  return event === "" ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}

/** Frames as they stand on the wire. */
export function framesText(frames: Iterable<SseFrame>): string {
  let text = "";
  for (const frame of frames) text += frameText(frame);
  return text;
}

/** Builds the translator of one stream. */
export function createStreamTranslator(parts: TranslatorParts): StreamTranslator {
  const { decoder, restore, encoder } = parts;
  let fault: UpstreamError | null = null;

  function complete(event: StreamEvent): StreamEvent {
    if (event.type === "message_start") {
      const input = event.usage.input || parts.estimatedInput;
      const createdAt = event.createdAt || parts.createdAt;
      return { ...event, createdAt, usage: { ...event.usage, input } };
    }
    if (event.type === "part_start" && event.part.type === "opaque") parts.note(OPAQUE_LEFT_OUT);
    if (event.type !== "message_end") return event;
    if (event.mismatch) parts.note(MISMATCH);
    fault = event.finish.error ?? null;
    return { ...event, usage: parts.usage() };
  }

  function encoded(events: Iterable<StreamEvent>): string {
    let text = "";
    for (const event of events) {
      for (const restored of restore.step(event)) {
        text += framesText(encoder.step(complete(restored)));
      }
    }
    return text;
  }

  return {
    write: (frame) => encoded(decoder.step(frame)),
    end() {
      const text = encoded(decoder.end());
      return fault === null ? text + framesText(encoder.end()) : text;
    },
    fail: (error, requestId) => framesText(encoder.fail(error, requestId)),
    fault: () => fault,
  };
}
