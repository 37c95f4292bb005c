import { authenticate, keyError } from "./auth.ts";
import { type Call, cutCall, type Parts } from "./call.ts";
import { callerIds } from "./caller_ids.ts";
import { clientAddress } from "./client_ip.ts";
import { clientLabel } from "./client_label.ts";
import type { Dialect } from "./dialect.ts";
import { GatewayError } from "./errors.ts";

/** An HTTP request on its way to becoming a call. */
export interface Arrival {
  readonly id: string;
  readonly request: Request;
  readonly search: string;
  /** Address of the peer. */
  readonly peer: string;
}

/**
 * Step 1: tells who calls. The dialect is known by the path; the body is not read yet.
 *
 * @throws {Unauthorized} without a valid token: there is no call then
 */
export function accept(parts: Parts, dialect: Dialect, arrival: Arrival): Call {
  const snapshot = parts.current();
  const { headers, signal } = arrival.request;
  const call: Call = {
    place: -1,
    id: arrival.id,
    ts: parts.now(),
    startedAt: parts.clock(),
    snapshot,
    dialect,
    credential: authenticate(headers, snapshot),
    headers,
    client: clientLabel(headers.get("user-agent")),
    callerIds: callerIds(headers),
    search: arrival.search,
    clientIp: clientAddress(headers, arrival.peer, snapshot.server.clientIp),
    cut: null,
    onCut: null,
    settled: false,
    step: "accept",
    trace: null,
    wire: null,
    wireFeatures: null,
    decoded: null,
    requestedModel: "",
    group: null,
    features: null,
    estimate: null,
    reservation: null,
    shaped: [],
    shapings: [],
    upstreamShapings: [],
    cache: null,
    admitted: false,
    conversation: null,
    budget: null,
    decision: null,
    classLabel: null,
    decideMs: 0,
    policyRuns: [],
    attempts: [],
    contested: false,
    withoutProofs: false,
    waitedMs: 0,
    firstByteOutAt: null,
    firstContentAt: null,
  };
  parts.live.add(call);
  if (signal.aborted) cutCall(call, "caller-gone");
  else signal.addEventListener("abort", () => cutCall(call, "caller-gone"), { once: true });
  return call;
}

/**
 * Whether the call may go on at all: its key, and a journal that takes its record.
 *
 * @throws {GatewayError} `key-*`, `journal-unavailable`
 */
export function mayCall(parts: Parts, call: Call): void {
  mayUseKey(call);
  if (parts.journal.state !== "ok") {
    throw new GatewayError(
      "journal-unavailable",
      "Cannot accept the call: its record cannot be written now",
      { retry_after_ms: 5_000 },
    );
  }
}

/**
 * Whether its key may be used now.
 *
 * @throws {GatewayError} `key-*`
 */
export function mayUseKey({ credential, ts }: Call): void {
  const refused = keyError(credential, ts);
  if (refused) throw refused;
}
