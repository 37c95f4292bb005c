import { bridgeReasons } from "@/core/bridge_features.ts";
import { loadConfig } from "@/core/config/load.ts";
import type { Dialect } from "@/core/dialect.ts";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import { GatewayError } from "@/core/errors.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { readWire } from "@/core/scan.ts";
import type { Target } from "@/core/snapshot.ts";
import { lowerTools } from "@/core/tool_table.ts";
import type { FieldEvent } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { upstreams } from "@/plugins/mod.ts";
import { strategies } from "@/strategies/mod.ts";
import { MESSAGES_BASE, MESSAGES_PROBES } from "./bridge_probes/anthropic_messages.ts";
import { CHAT_BASE, CHAT_PROBES } from "./bridge_probes/openai_chat.ts";
import { RESPONSES_BASE, RESPONSES_PROBES } from "./bridge_probes/openai_responses.ts";
import type { Probe } from "./bridge_probes/probe.ts";

/** What becomes of a field on its way to another dialect. */
type Fate = "kept" | "dropped" | "refused" | "lost";

/** A field, and its fate towards one dialect. */
interface Crossing {
  readonly from: DialectName;
  readonly to: DialectName;
  readonly field: string;
  readonly fate: Fate;
  /** Where it stands in the target's body, or why it does not. */
  readonly detail: string;
}

const SAID: Readonly<Record<DialectName, { base: JsonObject; probes: readonly Probe[] }>> = {
  "anthropic": { base: MESSAGES_BASE, probes: MESSAGES_PROBES },
  "openai-chat": { base: CHAT_BASE, probes: CHAT_PROBES },
  "openai-responses": { base: RESPONSES_BASE, probes: RESPONSES_PROBES },
};

const encoder = new TextEncoder();

/** Every field of every dialect towards every other one, found by sending it. */
export function crossings(): readonly Crossing[] {
  return DIALECT_NAMES.flatMap((from) =>
    DIALECT_NAMES.filter((to) => to !== from).flatMap((to) =>
      SAID[from].probes.map((probe) => ({
        from,
        to,
        field: probe.field,
        ...fateOf(from, to, probe),
      }))
    )
  );
}

function fateOf(
  from: DialectName,
  to: DialectName,
  probe: Probe,
): Pick<Crossing, "fate" | "detail"> {
  const { base } = SAID[from];
  const said = cross({ ...base, ...probe.body }, dialects.get(from), dialects.get(to));
  if ("refusal" in said) return { fate: "refused", detail: `\`${said.refusal}\`` };
  const without = cross({ ...base, ...probe.without }, dialects.get(from), dialects.get(to));
  if ("refusal" in without) throw new Error(`Cannot probe ${probe.field}: its base is refused`);
  const places = differences(said.body, without.body);
  const known = new Set(without.events.map(noteOf));
  const notes = [...new Set(said.events.map(noteOf).filter((note) => !known.has(note)))];
  if (places.length > 0) return { fate: "kept", detail: [...places, ...notes].join("; ") };
  if (notes.length > 0) return { fate: "dropped", detail: notes.join("; ") };
  return probe.served ? { fate: "kept", detail: probe.served } : { fate: "lost", detail: "" };
}

function noteOf({ field, action, reason }: FieldEvent): string {
  return `${action} \`${field}\` (${reason})`;
}

type Crossed = { refusal: string } | { body: JsonObject; events: readonly FieldEvent[] };

function cross(body: JsonObject, from: Dialect, to: Dialect): Crossed {
  try {
    const wire = readWire(encoder.encode(JSON.stringify(body)));
    from.features(wire);
    const { request, barriers } = from.decodeRequest(wire);
    const reasons = bridgeReasons(barriers, to.name);
    if (reasons.length > 0) return { refusal: [...new Set(reasons)].join(", ") };
    const lowered = lowerTools({ ...request, model: "up-1" }, to.toolLimits);
    const encoded = to.encodeRequest(lowered.request, TARGETS[to.name]);
    const sent = JSON.parse(JSON.stringify(encoded.body));
    return { body: sent, events: [...lowered.events, ...encoded.events] };
  } catch (error) {
    if (error instanceof GatewayError) return { refusal: `${error.status} ${error.type}` };
    throw error;
  }
}

/** Members that stand beside what is looked for. */
const BESIDE = /(\.|^)(type|role)$|^cache_control/;

/** The places in which two bodies differ, without positions in lists: the two most telling ones. */
function differences(body: JsonObject, base: JsonObject): readonly string[] {
  const [said, unsaid] = [leavesOf(body), leavesOf(base)];
  const changed = [...said.keys(), ...unsaid.keys()]
    .filter((path) => said.get(path) !== unsaid.get(path));
  const added = changed.filter((path) => !unsaid.has(path));
  const places = [added.filter((path) => !BESIDE.test(path)), added, changed]
    .find((paths) => paths.length > 0) ?? [];
  const distinct = [...new Set(places.map((path) => path.replace(/\[\d+\]/g, "[]")))];
  return distinct.slice(0, 2).map((path) => `\`${path}\``);
}

/** Every scalar of a value, by its path. */
function leavesOf(value: Json | undefined, path = ""): Map<string, string> {
  const inner = Array.isArray(value)
    ? value.map((item, index) => [`${path}[${index}]`, item] as const)
    : isObject(value)
    ? Object.entries(value).map(([key, item]) => [path ? `${path}.${key}` : key, item] as const)
    : null;
  if (inner === null || inner.length === 0) return new Map([[path, JSON.stringify(value) ?? ""]]);
  return new Map(inner.flatMap(([at, item]) => [...leavesOf(item, at)]));
}

const TOOLS = ["tools", "tool_choice", "parallel_tool_calls", "structured_outputs"];

/** One target of each dialect, as an operator would configure it for all callers. */
const TARGETS = compiledTargets();

function compiledTargets(): Readonly<Record<DialectName, Target>> {
  const config = {
    providers: Object.fromEntries(DIALECT_NAMES.map((dialect) => [dialect, {
      base_url: "https://api.example.com",
      dialect,
    }])),
    models: Object.fromEntries(DIALECT_NAMES.map((dialect) => [dialect, {
      targets: [{
        provider: dialect,
        model: "up-1",
        inbound_dialects: DIALECT_NAMES,
        tool_support: Object.fromEntries(DIALECT_NAMES.map((name) => [name, TOOLS])),
        input_modalities: ["text", "image"],
        reasoning: {
          supported: true,
          control: dialect === "anthropic" ? "token_budget" : "effort_enum",
        },
      }],
    }])),
    callers: [{ id: "ci", token_sha256: "0".repeat(64), allow: DIALECT_NAMES }],
  };
  const sources = {
    readFile: (path: string) =>
      path === "config.yaml" ? { text: JSON.stringify(config), mode: null } : null,
    env: () => undefined,
    now: () => 0,
  };
  const loaded = loadConfig("config.yaml", sources, { dialects, strategies, builtins: upstreams });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const target = (name: DialectName) => loaded.snapshot.groups.get(name)!.targets[0]!;
  return {
    "anthropic": target("anthropic"),
    "openai-chat": target("openai-chat"),
    "openai-responses": target("openai-responses"),
  };
}

const HEAD = `<!-- deno-fmt-ignore-file -->

# Bridges

A caller and a target that speak different dialects meet over a bridge: the request is decoded into one
neutral form and encoded for the target, the reply comes back the same way. A target opts in with
\`inbound_dialects\`, and says with \`tool_support.<caller's dialect>\` which tool features it takes from there.

Nothing a caller asked for is lost without being told. Each field has one of three fates:

- **kept**: it stands in the target's body at the named place, in that wire's own terms;
- **dropped**: a hint without counterpart; a field event of the attempt tells its name and why
  (\`request_translation_field_events\` in the usage database);
- **refused**: a demand that the bridge cannot carry. The target is not eligible, the reason in the answer is
  the one shown here, and no upstream is called. On its own dialect the same field passes as it came.

This file is made from the code by \`deno task docs\`: each row was sent through the bridge, and a test fails
when the file is stale or a field is neither kept, dropped with an event, nor refused. A member without a row,
at any depth, is told as \`other\`. The target of the rows takes all tool features, images and reasoning,
Anthropic's with thinking budgets.
`;

const MARKS: Readonly<Record<Fate, string>> = {
  kept: "kept",
  dropped: "dropped",
  refused: "refused",
  lost: "LOST",
};

/** The published matrix. */
export function bridgeMatrix(): string {
  const all = crossings();
  return [HEAD, ...DIALECT_NAMES.map((from) => section(from, all))].join("\n");
}

function section(from: DialectName, all: readonly Crossing[]): string {
  const targets = DIALECT_NAMES.filter((to) => to !== from);
  const rows = SAID[from].probes.map(({ field }) => {
    const cells = targets.map((to) => {
      const found = all.find((each) =>
        each.from === from && each.to === to && each.field === field
      );
      return found ? `${MARKS[found.fate]}: ${found.detail}` : "";
    });
    return `| ${[field, ...cells].join(" | ")} |`;
  });
  return [
    `## ${from} callers`,
    "",
    `| field | to ${targets.join(" | to ")} |`,
    `| --- ${"| --- ".repeat(targets.length)}|`,
    ...rows,
    "",
  ].join("\n");
}
