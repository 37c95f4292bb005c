import type { RequestFeatures } from "@/core/features.ts";
import type { Target } from "@/core/snapshot.ts";
import { editMembers } from "@/core/splice.ts";
import type { Edit, WireRequest } from "@/core/wire.ts";
import { forceStoreFalse, hostedToolEdits } from "../openai_edits.ts";
import { type Keeps, responsesProofEdits } from "../proof_edits.ts";
import { proofOfEncrypted } from "../proofs.ts";
import { removeRejectedSampling } from "../reasoning_edits.ts";
import { proofOf } from "./reply.ts";

/** The edits of a Responses body for a target of the same dialect. */
export function responsesEdits(
  request: WireRequest,
  features: RequestFeatures,
  target: Target,
  keeps: Keeps,
): Edit[] {
  const edit = editMembers(request.bytes, request.members);
  edit.set("model", JSON.stringify(target.model), "model");
  edit.remove("metadata", "metadata");
  forceStoreFalse(request, target, edit);
  removeRejectedSampling(edit, features, target);
  const tools = hostedToolEdits(request, target, edit);
  const keepsOwn: Keeps = (proof) => isOwnProof(proof) && keeps(proof);
  return [...edit.list(), ...tools, ...responsesProofEdits(request, proofOf, keepsOwn)];
}

/** No provider of this dialect can read a proof that is marked as that of another. */
function isOwnProof(proof: string): boolean {
  return proofOfEncrypted(proof).dialect === "openai-responses";
}
