import type { RequestFeatures } from "@/core/features.ts";
import type { Target } from "@/core/snapshot.ts";
import { editMembers } from "@/core/splice.ts";
import type { Edit, WireRequest } from "@/core/wire.ts";
import { forceStoreFalse, hostedToolEdits } from "../openai_edits.ts";
import { removeRejectedSampling } from "../reasoning_edits.ts";

/** The edits of a Responses body for a target of the same dialect. */
export function responsesEdits(
  request: WireRequest,
  features: RequestFeatures,
  target: Target,
): Edit[] {
  const edit = editMembers(request.bytes, request.members);
  edit.set("model", JSON.stringify(target.model), "model");
  edit.remove("metadata", "metadata");
  forceStoreFalse(request, target, edit);
  removeRejectedSampling(edit, features, target);
  const tools = hostedToolEdits(request, target, edit);
  return [...edit.list(), ...tools];
}
