import type { ChatRequest } from "./chat.ts";
import type { ReplyFacts } from "./dialect.ts";
import type { StreamTranslator } from "./stream_translator.ts";
import type { UpstreamError } from "./upstream_error.ts";
import type { FieldEvent, WireBody } from "./wire.ts";

/** The way from a caller's dialect to a target's and back, for one attempt. */
export interface Bridge {
  /** For example `openai-chat>anthropic`. */
  readonly direction: string;
  /** The request as the target gets it. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** What became of fields that did not simply cross; grows while the reply is read. */
  readonly events: readonly FieldEvent[];
  /** What the target was asked, for replies that come in another form than asked for. */
  readonly asked: ChatRequest;
  /** The field that limits the output there, and its tokens; `null`: the request has none. */
  readonly outputCap: { readonly field: string; readonly tokens: number } | null;
  /** The caller's bytes of a whole reply, or what it reports to have failed. */
  reply(body: WireBody, facts: ReplyFacts): Uint8Array<ArrayBuffer> | UpstreamError;
  /** The caller's bytes of a stream; `facts`: what is known of the reply when it ends. */
  stream(facts: () => ReplyFacts): StreamTranslator;
}
