import { findCached } from "./cached_reply.ts";
import type { Call, Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import { completeFeatures, estimated } from "./features.ts";
import { admitImages } from "./image_urls.ts";
import { reserveCall, reserveSlot, reserveTokens } from "./reserve.ts";
import type { Group, Snapshot } from "./snapshot.ts";
import { shapeStart, shapeTokens } from "./shape_call.ts";
import { failureFacts } from "./upstream_failure.ts";

/**
 * Step 3: finds the group and admits the call to it, within the limits of its caller.
 *
 * @throws {GatewayError} as `understand`, `upstream-failed` for an image URL, and the limits' own
 */
export async function admit(parts: Parts, call: Call): Promise<void> {
  understand(parts, call);
  // Only queues, host names and a store that is shared give something to wait for.
  for (const step of FIRST) {
    const waiting = step(parts, call);
    if (waiting) await waiting;
  }
  for (const step of call.cache?.reply ? HIT : MISS) {
    const waiting = step(parts, call);
    if (waiting) await waiting;
  }
  call.admitted = true;
}

type AdmitStep = (parts: Parts, call: Call) => Promise<void> | undefined;

const FIRST: readonly AdmitStep[] = [shapeStart, reserveCall, admitImageUrls, findCached];
/** An answer from the cache uses no tokens and no upstream. */
const HIT: readonly AdmitStep[] = [reserveSlot];
const MISS: readonly AdmitStep[] = [reserveTokens, shapeTokens, reserveSlot];

/**
 * Finds the group, completes the features and estimates the input: all that token counting needs.
 *
 * @throws {GatewayError} `missing-model`, `model-not-allowed`
 */
export function understand({ calibration }: Parts, call: Call): void {
  const { wire, wireFeatures } = call;
  if (!wire || !wireFeatures) throw new TypeError("Cannot admit a call that was not decoded");
  const group = groupFor(call.snapshot, call);
  call.group = group;
  const tools = wire.members.get("tools");
  const features = completeFeatures(wireFeatures, {
    requestBytes: wire.bytes.length,
    toolSchemaBytes: tools ? tools.end - tools.start : 0,
  }, group.estimates);
  call.features = features;
  call.estimate = calibration.estimate(group.targets, estimated(features));
}

/** Refuses image URLs that lead into private networks, in the words of a failure of a provider. */
export function admitImageUrls({ resolve }: Parts, call: Call): Promise<void> | undefined {
  const urls = call.wireFeatures?.imageUrls ?? [];
  if (urls.length === 0 || call.snapshot.server.allowPrivateImageUrls) return undefined;
  return admitImages(urls, resolve).catch((error: unknown) => {
    if (!(error instanceof GatewayError)) throw error;
    const details = { ...failureFacts(call), ...error.details };
    throw new GatewayError(error.type, error.message, details);
  });
}

/** The group a call names, if its caller may use it: unknown and forbidden names answer alike. */
function groupFor({ server, groups }: Snapshot, call: Call): Group {
  const name = call.requestedModel || server.defaultModelGroup;
  if (name === null) {
    throw new GatewayError(
      "missing-model",
      "Cannot route the call: it names no model and there is no default group",
    );
  }
  const group = call.credential.caller.allow.has(name) ? groups.get(name) : undefined;
  if (group) return group;
  throw modelNotAllowed(name);
}

/** The refusal of a name that is no group of the caller's. */
export function modelNotAllowed(name: string): GatewayError {
  return new GatewayError(
    "model-not-allowed",
    "Cannot use this model: it is not allowed for the key; GET /v1/models lists what is",
    { model: name.slice(0, 128) },
  );
}
