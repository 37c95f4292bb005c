import { z } from "zod";
import { unwrap } from "./diagnose.ts";
import { notation, notYet } from "./kinds.ts";
import type { Registry } from "../registry.ts";
import type { Strategy } from "../strategy.ts";
import { configSchemaOf } from "./schema.ts";
import { descriptionOf, groupSchemaOf } from "./schema_groups.ts";
import { capabilityKeys, providerSchema } from "./schema_models.ts";

type Schema = z.core.$ZodType;
type Shape = Readonly<Record<string, Schema>>;

interface Section {
  readonly title: string;
  readonly prose: string;
  readonly shape: Shape;
  /** Keys whose own keys are told in a section of their own. */
  readonly apart: ReadonlySet<string>;
}

/**
 * The reference of the configuration file as Markdown, made of the schema: every key with its type,
 * default and rule.
 */
export function configReference(strategies: Registry<Strategy>): string {
  const config = configSchemaOf(strategies);
  const parts = sections(config.shape, groupSchemaOf(strategies).shape).map(sectionText);
  return [INTRODUCTION, ...parts, LATER, laterText(config)].join("\n\n") + "\n";
}

function sections(
  shape: ReturnType<typeof configSchemaOf>["shape"],
  groups: ReturnType<typeof groupSchemaOf>["shape"],
): readonly Section[] {
  const restated = new Set(Object.keys(capabilityKeys));
  const targets = Object.entries(shapeOf(elementOf(groups.targets)) ?? {});
  return [
    section("Top level", "", shape, Object.keys(shape)),
    section("`server`", "", shapeOf(shape.server) ?? {}),
    section(
      "`providers.<name>`",
      "One base URL, one dialect, one credential.",
      providerSchema.shape,
    ),
    section("`providers.<name>.models.<ref>`", CATALOG, catalogShape()),
    section("`models.<group>`", "What callers name instead of a model.", groups, ["targets"]),
    section(
      "`models.<group>.targets[]`",
      "Also every key of the catalog but `model`, to override it.",
      Object.fromEntries(targets.filter(([key]) => !restated.has(key))),
    ),
    ...(["users", "projects", "project_memberships", "callers"] as const).map((key) =>
      section(`\`${key}[]\``, "", shapeOf(elementOf(shape[key])) ?? {})
    ),
  ];
}

function section(
  title: string,
  prose: string,
  shape: Shape,
  apart: readonly string[] = [],
): Section {
  return { title, prose, shape, apart: new Set(apart) };
}

/** The keys of a catalog model. */
function catalogShape(): Shape {
  const { def } = unwrap(providerSchema.shape.models)._zod;
  return def.type === "record" ? shapeOf(def.valueType) ?? {} : {};
}

const CATALOG =
  "The catalog. Every key but `model` may be restated on a target, whose key wins whole.";

const INTRODUCTION = `<!-- deno-fmt-ignore-file -->

# Configuration

<!-- Made from the schema by \`deno task docs\`; do not edit. -->

One YAML file with a strict schema: a key that is not listed here is an error. \`pointsman config validate\`
checks a file, \`pointsman config show\` prints it with all defaults, \`pointsman config schema\` prints a JSON
Schema for editors. Relative paths start at the folder of the file.

\`\${NAME}\` in a string value stands for a variable of the environment, else of \`env.json\` beside the file (one
flat object, string to string, mode 0600). \`$\${\` writes a literal \`\${\`.

Types: \`int\` whole number >= 0; \`ms\` whole milliseconds; \`bytes\` a whole number or \`64KiB\`, \`32MiB\`, \`1GiB\`;
\`usd\` decimal with at most 9 places; \`pct\` 0..100; \`ratio\` 0..1; \`date\` \`YYYY-MM-DD\`; \`time\` RFC 3339 with
zone; \`dialect\` \`openai-chat\`, \`openai-responses\` or \`anthropic\`; \`[t]\` a list. \`!\` marks a required key.`;

const LATER = `## Not available yet

These keys are part of the format and refused for now, with a message of their own.`;

function sectionText({ title, prose, shape, apart }: Section): string {
  const head = ["| key | type | default | rule |", "|---|---|---|---|"];
  return [`## ${title}`, prose, [...head, ...rows(shape, "", apart)].join("\n")]
    .filter((part) => part !== "").join("\n\n");
}

function rows(shape: Shape, prefix: string, apart: ReadonlySet<string>): readonly string[] {
  return Object.entries(shape).flatMap(([key, schema]) => {
    const name = prefix + key;
    const inner = apart.has(name) ? null : nested(schema);
    return inner ? rows(inner.shape, name + inner.suffix, apart) : [row(name, schema)];
  });
}

/** The keys inside a map or a list of maps. */
function nested(schema: Schema): { readonly shape: Shape; readonly suffix: string } | null {
  const bare = unwrap(schema);
  const shape = shapeOf(bare);
  if (shape) return { shape, suffix: "." };
  if (bare._zod.def.type !== "array") return null;
  const items = shapeOf(unwrap(bare._zod.def.element));
  return items ? { shape: items, suffix: "[]." } : null;
}

function row(name: string, schema: Schema): string {
  const { type } = schema._zod.def;
  const required = type === "optional" || type === "default" || type === "prefault" ? "" : "!";
  const rule = descriptionOf(schema);
  return `| \`${name}\` | ${typeText(schema)}${required} | ${defaultText(schema)} | ${rule} |`;
}

function typeText(schema: Schema): string {
  const bare = unwrap(schema);
  const known = notation.get(bare)?.type;
  if (known) return known;
  if (bare._zod.def.type === "array") return `[${typeText(bare._zod.def.element)}]`;
  return bare._zod.def.type === "record" || bare._zod.def.type === "object" ? "map" : "string";
}

function defaultText(schema: Schema): string {
  const { def } = schema._zod as z.core.$ZodTypes["_zod"];
  const value: unknown = def.type === "default" ? def.defaultValue : statedDefault(schema);
  if (value === undefined) return "";
  if (Array.isArray(value)) return `\`[${value.join(", ")}]\``;
  if (typeof value === "object") return "`{}`";
  return `\`${typeText(schema) === "bytes" ? sizeText(Number(value)) : String(value)}\``;
}

/** The default of a key that only some groups have. */
function statedDefault(schema: Schema): unknown {
  return schema instanceof z.ZodType ? schema.meta()?.["default"] : undefined;
}

function sizeText(bytes: number): string {
  return bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20}MiB` : String(bytes);
}

/** A line for each map of the format that has keys which are refused for now. */
function laterText(config: Schema): string {
  const lines: string[] = [];
  const visit = (schema: Schema, path: string) => {
    const bare = unwrap(schema);
    const words = notYet.get(bare)?.keys.map((key) => `\`${key}\``).join(", ");
    if (words) lines.push(`- ${path ? `\`${path}\`` : "top level"}: ${words}`);
    const { def } = bare._zod;
    if (def.type === "array") visit(def.element, `${path}[]`);
    if (def.type === "record") visit(def.valueType, `${path}.<name>`);
    for (const [key, value] of Object.entries(shapeOf(bare) ?? {})) {
      visit(value, path ? `${path}.${key}` : key);
    }
  };
  visit(config, "");
  return lines.join("\n");
}

function shapeOf(schema: Schema): Shape | null {
  const { def } = unwrap(schema)._zod;
  return def.type === "object" ? def.shape : null;
}

/** The schema of the items of a list. */
function elementOf(schema: Schema): Schema {
  const { def } = unwrap(schema)._zod;
  return def.type === "array" ? def.element : schema;
}
