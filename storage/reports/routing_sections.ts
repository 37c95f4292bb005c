import { grouped } from "./grouped.ts";
import { type Dimension, group, total } from "./measures.ts";
import { joined } from "./reliability_sections.ts";
import type { Report } from "./report.ts";

const one = (name: string, title: string) => total(name, title, { row: "1" });

const optional = (table: string, name: string, title: string): Dimension => ({
  ...joined(table, name, title),
  row: `coalesce(${table}.${name}, '')`,
});

const join = (table: string, short: string) =>
  `join ${table} as ${short} on ${short}.request_id = u.request_id`;

/** How calls were routed: read from decision telemetry. */
export const routingSections: readonly Report[] = [
  grouped({
    id: "decisions",
    title: "Decisions",
    by: [
      joined("d", "group_name", "Group"),
      joined("d", "strategy", "Strategy"),
      joined("d", "arm", "Arm"),
      joined("d", "outcome", "Outcome"),
    ],
    measures: [
      one("decisions", "Decisions"),
      total("eligible", "Eligible targets", { row: "d.eligible_count" }),
      total("rejected", "Rejected targets", { row: "d.rejected_count" }),
      total("explored", "Explored", { row: "d.explored" }),
      total("panics", "Panics", { row: "d.panic" }),
    ],
    join: join("request_routing_decisions", "d"),
  }),
  grouped({
    id: "signals",
    title: "Signals",
    by: [group, joined("g", "signal_name", "Signal"), optional("g", "text_value", "Value")],
    measures: [one("readings", "Readings"), total("sum", "Sum", { row: "g.int_value" })],
    join: join("request_routing_signals", "g"),
  }),
  grouped({
    id: "scores",
    title: "Terms of scores",
    by: [group, joined("t", "score_name", "Score"), joined("t", "term_name", "Term")],
    measures: [
      one("terms", "Terms"),
      total("selected", "Of the first target", { row: "t.selected" }),
      total("contribution_micro", "Contribution, millionths", { row: "t.contribution_micro" }),
    ],
    derived: [{
      name: "mean_contribution_micro",
      title: "Mean, millionths",
      format: "count",
      of: "contribution_micro / nullif(terms, 0)",
    }],
    join: join("request_dynamic_score_terms", "t"),
  }),
  grouped({
    id: "policies",
    title: "Policies",
    by: [
      group,
      joined("x", "role", "Role"),
      joined("x", "policy_kind", "Kind"),
      optional("x", "policy_digest", "Policy"),
      joined("x", "outcome", "Outcome"),
      optional("x", "error_class", "Error"),
    ],
    measures: [
      one("runs", "Runs"),
      total("duration_us", "Time", { row: "x.duration_us", format: "us" }),
      total("queue_us", "Queued", { row: "x.queue_us", format: "us" }),
    ],
    join: join("request_policy_executions", "x"),
  }),
  grouped({
    id: "filter-reasons",
    title: "Why targets were not eligible",
    by: [
      group,
      joined("f", "target_id", "Target"),
      joined("f", "stage", "Stage"),
      joined("f", "reason", "Reason"),
    ],
    measures: [one("targets", "Times")],
    join: join("request_target_filter_reasons", "f"),
  }),
];
