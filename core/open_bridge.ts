import type { Bridge } from "./bridge.ts";
import type { TargetEstimate } from "./calibration.ts";
import type { Call } from "./call.ts";
import type { ChatRequest, Message, Part, Proof } from "./chat.ts";
import type { DecodedRequest, Dialect, ReplyContext, ReplyFacts } from "./dialect.ts";
import type { DialectName } from "./dialect_name.ts";
import { GatewayError } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import { settleUsage } from "./settle_usage.ts";
import type { Target } from "./snapshot.ts";
import { createStreamTranslator, OPAQUE_LEFT_OUT } from "./stream_translator.ts";
import { type LoweredTools, lowerTools } from "./tool_table.ts";
import type { UsageReport } from "./usage.ts";
import type { FieldEvent } from "./wire.ts";

const encoder = new TextEncoder();

/** Bytes of a JSON value. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value));
}

/** The caller's request in the neutral form, or why there is none. Decoded when first needed. */
export function readDecoded(call: Call): DecodedRequest | GatewayError {
  if (!call.wire) throw new TypeError("Cannot decode a call without a body");
  if (call.decoded === null) {
    try {
      call.decoded = call.dialect.decodeRequest(call.wire);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      call.decoded = error;
    }
  }
  return call.decoded;
}

/**
 * The caller's request in the neutral form.
 *
 * @throws {GatewayError} `invalid-request` naming what cannot be read
 */
export function decodedRequest(call: Call): DecodedRequest {
  const decoded = readDecoded(call);
  if (decoded instanceof GatewayError) throw decoded;
  return decoded;
}

/** What the writer of a reply knows of a call. */
export function replyContext(call: Call, request: ChatRequest): ReplyContext {
  return { callId: call.id.slice("req_".length), request };
}

/** The other side of a bridge. */
export interface Far {
  readonly dialect: Dialect;
  readonly target: Target;
  readonly estimate: TargetEstimate;
  /** Whether the target's provider takes a proof of reasoning; empty: unsigned reasoning. */
  keeps(proof: string): boolean;
}

/**
 * Writes a call for a target of another dialect.
 *
 * @throws {GatewayError} `invalid-request` when the target's wire cannot hold the request
 */
export function openBridge(call: Call, far: Far): Bridge {
  const { dialect, target, keeps } = far;
  const { request } = decodedRequest(call);
  const { messages, events: proofEvents } = withProofs(request.messages, dialect.name, keeps);
  const lowered = lowerTools({ ...request, model: target.model, messages }, dialect.toolLimits);
  const encoded = dialect.encodeRequest(lowered.request, target);
  const events = [...proofEvents, ...lowered.events, ...encoded.events];
  const note = (event: FieldEvent) => {
    if (!events.includes(event)) events.push(event);
  };
  return {
    direction: `${call.dialect.name}>${dialect.name}`,
    body: jsonBytes(encoded.body),
    events,
    asked: lowered.request,
    outputCap: capOf(dialect, encoded.body),
    ...wayBack(call, far, { lowered, note }),
  };
}

function capOf({ outputCapFields }: Dialect, body: JsonObject): Bridge["outputCap"] {
  for (const field of outputCapFields) {
    const tokens = body[field];
    if (typeof tokens === "number") return { field, tokens };
  }
  return null;
}

/** A proof that another provider made, or that the target refused. */
const PROOF_LEFT_OUT: FieldEvent = {
  field: "reasoning",
  action: "stripped",
  reason: "foreign-proof",
};

/**
 * Reasoning with the proofs the provider takes. Where its own replies come unsigned, an empty proof
 * says that reasoning without one is welcome.
 */
function withProofs(
  messages: readonly Message[],
  dialect: DialectName,
  keeps: (proof: string) => boolean,
): { readonly messages: readonly Message[]; readonly events: readonly FieldEvent[] } {
  const unsigned: Proof = { kind: "signature", dialect, value: "" };
  let events: readonly FieldEvent[] = [];
  const withProof = (part: Part): Part => {
    if (part.type !== "reasoning") return part;
    const { proof, ...bare } = part;
    if (proof && keeps(proof.value)) return part;
    if (proof) events = [PROOF_LEFT_OUT];
    return part.text !== "" && keeps("") ? { ...bare, proof: unsigned } : bare;
  };
  const kept = messages.map((message) =>
    message.parts.some(({ type }) => type === "reasoning")
      ? { ...message, parts: message.parts.map(withProof) }
      : message
  );
  return { messages: kept, events };
}

interface Back {
  readonly lowered: LoweredTools;
  /** Takes note of what the reply loses; each event once. */
  note(event: FieldEvent): void;
}

function wayBack(
  call: Call,
  { dialect, estimate }: Far,
  { lowered, note }: Back,
): Pick<Bridge, "reply" | "stream"> {
  const context = replyContext(call, decodedRequest(call).request);
  const createdAt = Math.floor(call.ts / 1000);
  return {
    reply(body, facts) {
      const response = lowered.restore(dialect.decodeResponse(body));
      if (response.finish.error) return response.finish.error;
      if (response.parts.some(({ type }) => type === "opaque")) note(OPAQUE_LEFT_OUT);
      return jsonBytes(call.dialect.encodeResponse({
        ...response,
        createdAt: response.createdAt || createdAt,
        usage: shownUsage(estimate, facts),
      }, context));
    },
    stream: (facts) =>
      createStreamTranslator({
        decoder: dialect.decodeStream(),
        restore: lowered.restoreStream(),
        encoder: call.dialect.encodeStream(context),
        createdAt,
        estimatedInput: estimate.input,
        note,
        usage: () => shownUsage(estimate, facts()),
      }),
  };
}

/** The caller is shown what the call is settled to. */
export function shownUsage(estimate: TargetEstimate, facts: ReplyFacts): UsageReport {
  return settleUsage({ facts, complete: true, delivered: true, estimate });
}
