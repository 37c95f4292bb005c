import { grouped } from "./grouped.ts";
import {
  callerUser,
  calls,
  client,
  countOf,
  type Dimension,
  group,
  token,
  total,
} from "./measures.ts";
import { joined, ofCall } from "./reliability_sections.ts";
import type { Report } from "./report.ts";

/** Admission, queueing and refusal of calls, and the capacity of providers. */
export const shapingSections: readonly Report[] = [
  shaped("shaping", "Shaping", [
    ofCall("traffic_shape_scope", "Scope"),
    ofCall("traffic_shape_decision", "Decision"),
  ]),
  shaped("shaping-by-bucket", "Shaping by bucket", [ofCall("traffic_shape_bucket", "Bucket")]),
  shaped("shaping-by-user", "Shaping by user", [callerUser]),
  shaped("shaping-by-key", "Shaping by key", [token]),
  shaped("shaping-by-client", "Shaping by client", [client]),
  shaped("shaping-by-group", "Shaping by group", [group]),
  grouped({
    id: "provider-capacity",
    title: "Capacity of providers",
    by: [
      joined("c", "scope", "Scope"),
      joined("c", "provider", "Provider"),
      joined("c", "model", "Model"),
      joined("c", "bucket", "Bucket"),
      joined("c", "decision", "Decision"),
    ],
    measures: [
      total("events", "Events", { row: "1" }),
      total("reserved_tokens", "Reserved tokens", { row: "c.total_reserved_tokens" }),
    ],
    percentiles: [
      { name: "retry_after", title: "Retry after", row: "c.retry_after_ms", percents: [50, 95] },
    ],
    join: "join request_upstream_shape_events as c on c.request_id = u.request_id",
  }),
  grouped({
    id: "backoff",
    title: "Backoff of providers",
    by: [
      joined("a", "provider", "Provider"),
      joined("a", "model", "Model"),
      joined("a", "error_class", "Class"),
    ],
    measures: [
      total("attempts", "Attempts", { row: "1" }),
      countOf("rate_limited", "429", "a.status_code = 429"),
    ],
    percentiles: [
      { name: "retry_after", title: "Retry after", row: "a.retry_after_ms", percents: [50, 95] },
    ],
    join: "join request_attempts as a on a.request_id = u.request_id",
    where: "(a.retry_after_ms > 0 or a.status_code = 429)",
  }),
];

function shaped(id: string, title: string, by: readonly Dimension[]): Report {
  return grouped({
    id,
    title,
    by,
    measures: [
      calls,
      countOf("queued", "Queued", "u.traffic_shape_decision = 'queued'"),
      countOf("rejected", "Rejected", "u.traffic_shape_decision = 'rejected'"),
      total("reserved_tokens", "Reserved tokens", { row: "u.traffic_shape_total_reserved_tokens" }),
    ],
    percentiles: [
      { name: "queue_wait", title: "Queue wait", row: "u.queue_wait_ms", percents: [50, 95] },
      {
        name: "retry_after",
        title: "Retry after",
        row: "nullif(u.traffic_shape_retry_after_ms, 0)",
        percents: [50, 95],
      },
    ],
    where: "u.traffic_shape_applied = 1",
  });
}
