import assert from "node:assert/strict";
import { parser } from "@prometheus-io/lezer-promql";
import { parse } from "yaml";
import { z } from "zod";
import { CALLER_FAMILIES, FAMILIES } from "./metric_families.ts";

const folder = new URL("../deploy/observability/", import.meta.url);
const read = (file: string) => Deno.readTextFileSync(new URL(file, folder));

const rulesSchema = z.strictObject({
  groups: z.array(z.strictObject({
    name: z.string(),
    rules: z.array(z.strictObject({
      alert: z.string().regex(/^Pointsman[A-Z]\w+$/),
      expr: z.string(),
      for: z.string().regex(/^\d+[mh]$/).optional(),
      labels: z.strictObject({ severity: z.enum(["critical", "warning", "info"]) }),
      annotations: z.strictObject({ summary: z.string(), description: z.string() }),
    })).min(1),
  })),
});

const panelSchema = z.looseObject({
  id: z.int(),
  title: z.string(),
  type: z.enum(["row", "stat", "timeseries"]),
  gridPos: z.strictObject({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
  targets: z.array(z.looseObject({ expr: z.string(), legendFormat: z.string() })).default([]),
});

const { groups } = rulesSchema.parse(parse(read("alerts.yaml")));
const rules = groups.flatMap(({ rules }) => rules);
const { panels } = z.looseObject({ panels: z.array(panelSchema) })
  .parse(JSON.parse(read("dashboard.json")));

/** An expression as Prometheus gets it: Grafana has put its variables in. */
const expressions: readonly (readonly [string, string])[] = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) =>
      [title, expr.replaceAll("$__rate_interval", "5m").replaceAll("$group", ".*")] as const
    )
  ),
];

/** Labels that Prometheus itself adds. */
const ADDED = ["instance", "job", "le"];

const families = { ...FAMILIES, ...CALLER_FAMILIES };

/** Name of the family behind a series; a histogram's are `_bucket`, `_sum` and `_count`. */
function familyOf(series: string): string | null {
  const name = series.replace(/^pointsman_/, "");
  if (families[name] && families[name][0] !== "histogram") return name;
  const base = name.replace(/_(?:bucket|sum|count)$/, "");
  return base !== name && families[base]?.[0] === "histogram" ? base : null;
}

/** Texts of all nodes of a kind in an expression. */
function nodes(expression: string, kind: string): string[] {
  const found: string[] = [];
  parser.parse(expression).iterate({
    enter(node) {
      if (node.name === kind) found.push(expression.slice(node.from, node.to));
    },
  });
  return found;
}

Deno.test("every expression is PromQL", () => {
  assert(expressions.length > 50);
  for (const [where, expression] of expressions) {
    parser.parse(expression).iterate({
      enter: ({ type, from }) => assert(!type.isError, `${where} at ${from}: ${expression}`),
    });
  }
});

Deno.test("every series of an expression is one that the gateway exposes, with its labels", () => {
  for (const [where, expression] of expressions) {
    const names = nodes(expression, "VectorSelector").map((text) => /^\w+/.exec(text)?.[0] ?? "");
    assert(names.length > 0, where);
    const labels = new Set(ADDED);
    for (const name of names) {
      const family = familyOf(name);
      assert(family, `${where}: ${name}`);
      for (const label of families[family]![1].split(" ")) labels.add(label);
    }
    for (const label of nodes(expression, "LabelName")) {
      assert(labels.has(label), `${where}: ${label}`);
    }
  }
});

Deno.test("every family is shown on the dashboard, but those of callers", () => {
  const shown = new Set(
    expressions.slice(rules.length).flatMap(([_, expression]) =>
      nodes(expression, "VectorSelector").map((text) => familyOf(/^\w+/.exec(text)![0]))
    ),
  );
  assert.deepEqual(Object.keys(FAMILIES).filter((name) => !shown.has(name)), []);
});

Deno.test("docs/OBSERVABILITY.md lists every family with its type and labels, and no other", () => {
  const text = Deno.readTextFileSync(new URL("../docs/OBSERVABILITY.md", import.meta.url));
  const table = text.split("### Families")[1]!.split("The last three")[0]!;
  const rows = [...table.matchAll(/^\| `(\w+)`\s*\| (\w+)\s*\| ([^|]*?)\s*\|/gm)];
  const listed = rows.map(([, name, type, labels]) => [name, type, labels!.replaceAll("`", "")]);
  assert.deepEqual(listed, Object.entries(families).map(([name, about]) => [name, ...about]));
});

Deno.test("panels have a place and a name of their own", () => {
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const [index, { gridPos: a, title }] of panels.entries()) {
    assert(a.x + a.w <= 24, title);
    for (const { gridPos: b, title: other } of panels.slice(index + 1)) {
      const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      assert(apart, `${title} and ${other}`);
    }
  }
});

Deno.test("alerts have names of their own", () => {
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
});
