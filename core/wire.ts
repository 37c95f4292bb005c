import type { JsonObject } from "./json.ts";

/** Where one member of a JSON object stands in the bytes; offsets are half open, in bytes. */
export interface Member {
  /** The key after unescaping. */
  readonly key: string;
  /** First byte of the key's opening quote. */
  readonly keyStart: number;
  /** First byte of the value. */
  readonly start: number;
  /** First byte after the value. */
  readonly end: number;
}

/** A JSON body, as it came and parsed. */
export interface WireBody {
  /** The bytes as they were sent (after content decoding). */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly body: JsonObject;
}

/** A request body, kept as it came, with what one walk over it found. */
export interface WireRequest extends WireBody {
  /** Top-level members in wire order, by unescaped key. */
  readonly members: ReadonlyMap<string, Member>;
  /** Lets go of the parsed body, which is larger than its bytes: whoever asks again has it parsed again. */
  release(): void;
}

/** What an edit did to a field, in the words of the usage store; never a value. */
export type EditAction = "stripped" | "rewritten" | "added" | "clamped";

/** What became of a field of the caller; names and reasons of closed lists, never a value. */
export interface FieldEvent {
  /** Name of the wire field; `other` for one nobody knows. */
  readonly field: string;
  readonly action: EditAction;
  /** Why, in a few words of ours: `no-counterpart`, `target-limit`. */
  readonly reason: string;
}

/** Replaces the bytes `[start, end)` of a request body by `text`. Edits of one body never overlap. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  /** JSON text; empty removes. */
  readonly text: string;
  /** Name of the wire field, for the record of what was changed. */
  readonly field: string;
  readonly action: EditAction;
}

/** One frame of a server-sent event stream. */
export interface SseFrame {
  /** Value of the `event` field; empty when the frame has none. */
  readonly event: string;
  /** The `data` lines joined by LF; empty for a comment or a frame without data. */
  readonly data: string;
}
