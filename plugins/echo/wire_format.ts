import type { JsonObject } from "@/core/json.ts";
import type { SseFrame } from "@/core/wire.ts";
import type { Ask } from "./ask.ts";
import type { Reply } from "./reply.ts";

/** How one wire format asks and answers. */
export interface WireFormat {
  /** How the path of its calls ends. */
  readonly path: string;
  read(body: JsonObject): Ask;
  /** The unary reply; `body` is the request, some of which the reply repeats. */
  write(reply: Reply, body: JsonObject): JsonObject;
  /** The frames of a streamed reply; a reply that breaks off ends without its closing frames. */
  stream(reply: Reply, body: JsonObject): Iterable<SseFrame>;
  writeError(fault: Fault, requestId: string): JsonObject;
  /** The frame that reports a fault in a stream after `position` frames. */
  errorFrame(fault: Fault, requestId: string, position: number): SseFrame;
}

/** What went wrong, in no wire format's words. */
export type Fault =
  | { readonly type: "status"; readonly status: number; readonly message: string }
  | { readonly type: "context"; readonly inputTokens: number; readonly contextTokens: number };

/** HTTP status of a fault. */
export function statusOf(fault: Fault): number {
  return fault.type === "context" ? 400 : fault.status;
}
