import type { Arrival } from "./accept.ts";
import type { Unauthorized } from "./auth.ts";
import type { Parts } from "./call.ts";
import { addressColumns, clientAddress } from "./client_ip.ts";
import { clientLabel } from "./client_label.ts";
import { type BucketSize, TokenBuckets } from "./limits/token_bucket.ts";

/** Where somebody asked: an endpoint's own name for its path, empty where there is none. */
export interface StrangerPlace {
  readonly surface: string;
  readonly template: string;
}

/** Leaves a security event of a request without a valid token: nobody's call has no usage row. */
export type RecordStranger = (
  parts: Parts,
  arrival: Arrival,
  place: StrangerPlace,
  error: Unauthorized,
) => void;

/**
 * Events that are written: so many at once, then so many a second. Whoever has no token must not be able
 * to fill the disk on which the calls of others are recorded.
 */
const WRITTEN: BucketSize = { rate: 1, burst: 1_000 };

/** Builds the record of strangers; what comes faster than events are written is in the metrics alone. */
export function createStrangerRecord(): RecordStranger {
  const room = new TokenBuckets(1);
  return (parts, { id, request, peer }, { surface, template }, error) => {
    const now = parts.clock();
    if (room.waitMs(0, 1, WRITTEN, now) > 0) return;
    room.take(0, 1, WRITTEN, now);
    const address = clientAddress(request.headers, peer, parts.current().server.clientIp);
    parts.journal.appendSecurityEvent({
      id: `sec_${parts.newId()}`,
      request_id: id,
      ts: parts.now(),
      event_type: "auth_failed",
      surface,
      http_method: request.method,
      path_template: template,
      outcome: "denied",
      reason_code: error.reason,
      client: clientLabel(request.headers.get("user-agent")),
      auth_source: authSource(request.headers),
      ...addressColumns(address, peer),
      status_code: error.status,
    });
  };
}

function authSource(headers: Headers): string {
  if (headers.has("authorization")) return "authorization";
  return headers.has("x-api-key") ? "x-api-key" : "none";
}
