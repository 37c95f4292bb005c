import type { RequestFeatures } from "@/core/features.ts";
import { isObject } from "@/core/json.ts";
import { scanMembers } from "@/core/scan.ts";
import type { Target } from "@/core/snapshot.ts";
import { editMembers, type MemberEditor } from "@/core/splice.ts";
import type { Edit, WireRequest } from "@/core/wire.ts";
import { forceStoreFalse, hostedToolEdits } from "../openai_edits.ts";
import { defaultThinking, reasons, removeRejectedSampling } from "../reasoning_edits.ts";

/** Field of the edit that asks for a usage frame the caller did not ask for. */
const INCLUDE_USAGE = "stream_options.include_usage";

/** The edits of a Chat body for a target of the same dialect. */
export function chatEdits(request: WireRequest, features: RequestFeatures, target: Target): Edit[] {
  const { body, bytes, members } = request;
  const edit = editMembers(bytes, members);
  edit.set("model", JSON.stringify(target.model), "model");
  oneCap(request, features, target, edit);
  edit.remove("metadata", "metadata");
  if (target.forceStoreFalse) forceStoreFalse(request, target, edit);
  else edit.remove("store", "store");
  const usage = askForUsage(request, features, target, edit);
  const thinking = defaultThinking(body, features, target);
  if (thinking) edit.set("thinking", JSON.stringify(thinking), "thinking", "added");
  removeRejectedSampling(edit, features, target);
  const tools = hostedToolEdits(request, target, edit);
  return [...edit.list(), ...usage, ...tools];
}

/** One cap under the name the target takes; `max_tokens` wins when both were sent. */
function oneCap(
  { body, bytes, members }: WireRequest,
  features: RequestFeatures,
  target: Target,
  edit: MemberEditor,
): void {
  const renamed = target.reasoning.rejectsMaxTokens && reasons(features, target);
  const wanted = renamed ? "max_completion_tokens" : target.outputTokenField;
  const other = wanted === "max_tokens" ? "max_completion_tokens" : "max_tokens";
  const source = features.outputCapField === null
    ? undefined
    : members.get(features.outputCapField);
  if (!source) return;
  if (source.key === wanted) {
    if ((body[other] ?? null) !== null) edit.remove(other, other);
  } else if (members.has(wanted)) {
    const value = new TextDecoder().decode(bytes.subarray(source.start, source.end));
    edit.set(wanted, value, wanted);
    edit.remove(other, other);
  } else {
    edit.rename(source.key, wanted, source.key);
  }
}

/** Asks a stream for its usage frame, where the target takes `stream_options`. */
function askForUsage(
  { body, bytes, members }: WireRequest,
  { stream }: RequestFeatures,
  target: Target,
  edit: MemberEditor,
): readonly Edit[] {
  const options = body["stream_options"];
  const member = members.get("stream_options");
  if (!stream || target.shape.unsupportedRequestFeatures.has("stream_options")) return [];
  if (!isObject(options) || !member) {
    edit.set("stream_options", '{"include_usage":true}', INCLUDE_USAGE, "added");
    return [];
  }
  if (options["include_usage"] === true) return [];
  const inner = editMembers(bytes, scanMembers(bytes, member.start, member.end), member.start);
  inner.set("include_usage", "true", INCLUDE_USAGE);
  return inner.list();
}
