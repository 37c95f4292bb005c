import type { CacheMarker, ChatRequest, Message, Part, PartOf, Proof } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { Target } from "@/core/snapshot.ts";
import type { FieldEvent } from "@/core/wire.ts";
import { markerMember } from "../cache_marker.ts";
import { imageUrl } from "../image_source.ts";
import { callMembers, proofStanding } from "../proofs.ts";
import { withUnread } from "../unread.ts";
import { CHAT } from "./parts.ts";

/** Marks a result that failed; this wire has no other place to say so. */
const ERROR_PREFIX = "[error] ";

/** Parts of an assistant turn that stand in its `content`. */
const SAID: readonly Part["type"][] = ["text", "image", "opaque"];

/** What writing turns needs besides them. */
export interface TurnWriting {
  /** Name of the member that carries reasoning back; `null`: none does. */
  readonly reasoningField: string | null;
  /** How cache markers are spelled: as sent, one way, or not at all. */
  readonly markers: "sent" | CacheMarker["spelling"] | "none";
  /** Adds an event, once. */
  note(event: FieldEvent): void;
}

/** How the turns of a request are written for a target. */
export function turnWriting(
  request: ChatRequest,
  target: Target,
  note: TurnWriting["note"],
): TurnWriting {
  const { streamBlock } = target.reasoning;
  return {
    reasoningField: streamBlock === "none"
      ? null
      : streamBlock === "reasoning"
      ? "reasoning"
      : "reasoning_content",
    markers: markersFor(request, target),
    note,
  };
}

/** Markers of callers of the OpenAI dialects stay as spelled; Anthropic's mean nothing here. */
function markersFor(request: ChatRequest, target: Target): TurnWriting["markers"] {
  switch (target.promptCacheMarkers) {
    case "breakpoint":
      return "prompt_cache_breakpoint";
    case null:
      return request.caller === "anthropic" ? "none" : "sent";
    default:
      return target.promptCacheMarkers;
  }
}

/** Writes the turns of a request. Each depends on itself alone, so that a prefix stays a prefix. */
export function chatMessages(request: ChatRequest, writing: TurnWriting): readonly JsonObject[] {
  const system = request.instructions.length === 0
    ? []
    : [{ role: "system", content: contentOf(request.instructions, writing) }];
  return [...system, ...runsOf(request.messages).flatMap((run) => chatRun(run, writing))];
}

/** Turns, with those of results that follow one another together: nothing may stand between results. */
function runsOf(messages: readonly Message[]): readonly (readonly Message[])[] {
  const runs: Message[][] = [];
  let results = false;
  for (const message of messages) {
    const holds = message.parts.some(isResult);
    if (results && holds) runs.at(-1)!.push(message);
    else runs.push([message]);
    results = holds;
  }
  return runs;
}

function chatRun(run: readonly Message[], writing: TurnWriting): readonly JsonObject[] {
  const whole = run.flatMap(({ parts }) => parts);
  const [first] = run;
  if (!whole.some(isResult) && first) return [chatMessage(first, writing)];
  const results = run.flatMap((message) =>
    message.parts.filter(isResult).map((part) => chatResult(part, message, writing))
  );
  const rest = whole.flatMap((part) => isResult(part) ? imagesOf(part) : [part]);
  if (rest.length === 0) return results;
  return [...results, { role: "user", content: contentOf(rest, writing) }];
}

function chatMessage(message: Message, writing: TurnWriting): JsonObject {
  const { role, name, parts } = message;
  const own = message.extra[CHAT] ?? {};
  // A message that only this wire knows, kept whole.
  if (typeof own["role"] === "string") return own;
  const head = { role, ...(name !== undefined && { name }) };
  if (role === "assistant") return { ...head, ...chatAssistant(parts, writing), ...own };
  return { ...head, content: contentOf(parts, writing), ...own };
}

function chatAssistant(parts: readonly Part[], writing: TurnWriting): JsonObject {
  const calls = parts.filter((part) => part.type === "tool_call");
  const said = parts.filter(({ type }) => SAID.includes(type));
  const refusal = joined(parts, "refusal");
  const content = said.length === 0 && (calls.length > 0 || refusal !== "")
    ? null
    : contentOf(said, writing);
  return {
    content,
    ...(refusal !== "" && { refusal }),
    ...chatReasoning(parts, writing),
    ...(calls.length > 0 && { tool_calls: chatCalls(parts, writing) }),
  };
}

/**
 * Reasoning goes back on turns with calls alone. Its proofs stay behind, they are foreign here, but for
 * those of calls.
 */
function chatReasoning(parts: readonly Part[], writing: TurnWriting): JsonObject {
  const { reasoningField, note } = writing;
  const lastCall = parts.findLastIndex(({ type }) => type === "tool_call");
  const thoughts = parts.flatMap((part, index) =>
    part.type !== "reasoning" || (index < lastCall && isCallProof(part)) ? [] : part
  );
  const text = joined(parts, "reasoning");
  const goesBack = reasoningField !== null && parts.some(({ type }) => type === "tool_call");
  if (thoughts.some(({ proof }) => proof)) {
    note({ field: "reasoning", action: "stripped", reason: "foreign-proof" });
  } else if (thoughts.length > 0 && !goesBack) {
    note({ field: "reasoning", action: "stripped", reason: "target-limit" });
  }
  return goesBack && text !== "" ? { [reasoningField]: text } : {};
}

/** The calls of a turn, each with the proof that stands before it. */
function chatCalls(parts: readonly Part[], writing: TurnWriting): readonly JsonObject[] {
  let proof: JsonObject | null = null;
  return parts.flatMap((part) => {
    if (isCallProof(part)) proof = callMembers(part.proof);
    if (part.type !== "tool_call") return [];
    const call = { ...chatCall(part, writing), ...proof };
    proof = null;
    return [call];
  });
}

function isCallProof(part: Part): part is PartOf<"reasoning"> & { readonly proof: Proof } {
  return part.type === "reasoning" && proofStanding(part, CHAT) === "own" &&
    part.proof !== undefined && callMembers(part.proof) !== null;
}

function chatCall(call: PartOf<"tool_call">, writing: TurnWriting): JsonObject {
  const { id, name, form, input } = call;
  const inner = form === "custom"
    ? { type: form, custom: { name, input } }
    : { type: form, function: { name, arguments: input } };
  return withUnread({ id, ...inner, ...marker(call, writing) }, call.extra[CHAT]);
}

function chatResult(
  result: PartOf<"tool_result">,
  { name, role, extra }: Message,
  writing: TurnWriting,
): JsonObject {
  const texts = result.parts.filter((part) => part.type !== "image");
  const parts = result.isError ? marked(texts) : texts;
  const own = role === "tool" ? { ...(name !== undefined && { name }), ...extra[CHAT] } : {};
  return {
    role: "tool",
    tool_call_id: result.callId,
    content: contentOf(parts, writing),
    ...marker(result, writing),
    ...own,
  };
}

function marked(parts: readonly Part[]): readonly Part[] {
  const at = parts.findIndex(({ type }) => type === "text");
  const part = parts[at];
  if (part?.type !== "text") return [{ type: "text", text: ERROR_PREFIX, extra: {} }, ...parts];
  return parts.with(at, { ...part, text: ERROR_PREFIX + part.text });
}

/** The images of a result, after a line that says whose they are. */
function imagesOf({ callId, parts }: PartOf<"tool_result">): readonly Part[] {
  const images = parts.filter(({ type }) => type === "image");
  if (images.length === 0) return [];
  return [{ type: "text", text: `Image output of ${callId}:`, extra: {} }, ...images];
}

/** A lone text is written as such; anything else as a list. */
function contentOf(parts: readonly Part[], writing: TurnWriting): Json {
  const written = parts.flatMap((part) => chatPart(part, writing) ?? []);
  if (written.length === 0) return "";
  const [only] = written;
  const isPlain = written.length === 1 && isObject(only) && Object.keys(only).length === 2 &&
    only["type"] === "text";
  return isPlain ? only["text"] ?? "" : written;
}

/** `null` for what stays behind. */
function chatPart(part: Part, writing: TurnWriting): Json {
  switch (part.type) {
    case "text":
      return withUnread(
        { type: "text", text: part.text, ...marker(part, writing) },
        part.extra[CHAT],
      );
    case "refusal":
      return withUnread({ type: "refusal", refusal: part.text }, part.extra[CHAT]);
    case "image":
      return chatImage(part, writing);
    case "opaque":
      if (part.dialect === CHAT) return part.value;
      return stripped(writing);
    case "reasoning":
    case "tool_call":
    case "tool_result":
      return null;
  }
}

function chatImage(image: PartOf<"image">, writing: TurnWriting): Json {
  const { source, detail } = image;
  if (detail === "original") {
    writing.note({ field: "detail", action: "rewritten", reason: "no-counterpart" });
  }
  const known = detail === "original" ? "high" : detail;
  const where = source.kind === "file" ? { file_id: source.fileId } : { url: imageUrl(source) };
  const written = {
    type: "image_url",
    image_url: { ...where, ...(known && { detail: known }) },
    ...marker(image, writing),
  };
  return withUnread(written, image.extra[CHAT]);
}

function stripped(writing: TurnWriting): null {
  writing.note({ field: "messages", action: "stripped", reason: "no-counterpart" });
  return null;
}

/** The marker of a part, call, result or tool, as members to spread. */
export function marker(
  { cache }: { readonly cache?: CacheMarker },
  { markers, note }: Pick<TurnWriting, "markers" | "note">,
): JsonObject {
  if (!cache) return {};
  if (markers === "none") {
    note({ field: cache.spelling, action: "stripped", reason: "no-counterpart" });
    return {};
  }
  const spelling = markers === "sent" ? cache.spelling : markers;
  if (spelling !== cache.spelling) {
    note({ field: cache.spelling, action: "rewritten", reason: "target-limit" });
  }
  return markerMember(cache, spelling, note);
}

function joined(parts: readonly Part[], type: "reasoning" | "refusal"): string {
  return parts.map((part) => part.type === type ? part.text : "").join("");
}

function isResult(part: Part): part is PartOf<"tool_result"> {
  return part.type === "tool_result";
}
