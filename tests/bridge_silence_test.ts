import assert from "node:assert/strict";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import { GatewayError } from "@/core/errors.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { FieldEvent } from "@/core/wire.ts";
import { MESSAGES_BASE, MESSAGES_PROBES } from "../docs/bridge_probes/anthropic_messages.ts";
import { CHAT_BASE, CHAT_PROBES } from "../docs/bridge_probes/openai_chat.ts";
import { RESPONSES_BASE, RESPONSES_PROBES } from "../docs/bridge_probes/openai_responses.ts";
import { EDGES } from "./bridge_edges.ts";
import { crossed } from "./crossed.ts";
import type { TargetChanges } from "./dialect_target.ts";
import { recordings } from "./recordings.ts";

/** A member that no dialect knows. */
const PLANTED = "planted_here";

/** Where a value stands: keys and positions from the root. */
type Path = readonly (string | number)[];

/** A request that a caller sends. */
interface Subject {
  readonly name: string;
  readonly body: JsonObject;
}

const PROBES = {
  "anthropic": [MESSAGES_BASE, MESSAGES_PROBES],
  "openai-chat": [CHAT_BASE, CHAT_PROBES],
  "openai-responses": [RESPONSES_BASE, RESPONSES_PROBES],
} as const;

/** Every recorded request of a dialect, and every field that its matrix shows. */
function subjects(dialect: DialectName): readonly Subject[] {
  const [base, probes] = PROBES[dialect];
  return [
    ...recordings(dialect).map(({ name, request }) => ({
      name,
      body: JSON.parse(new TextDecoder().decode(request)),
    })),
    ...probes.filter(({ field }) => field !== "an unknown field")
      .map(({ field, body }) => ({ name: field, body: { ...base, ...body } })),
  ];
}

/** The paths of every object in a value, outermost first. */
function objectsIn(value: Json | undefined, path: Path = []): readonly Path[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => objectsIn(item, [...path, index]));
  }
  if (!isObject(value)) return [];
  return [
    path,
    ...Object.entries(value).flatMap(([key, item]) => objectsIn(item, [...path, key])),
  ];
}

function at(value: Json | undefined, path: Path): Json | undefined {
  return path.reduce<Json | undefined>((inner, key) => Reflect.get(Object(inner), key), value);
}

/** A copy with a member added to the object at a path. */
function planted(body: JsonObject, path: Path): Json {
  const copy = structuredClone(body);
  Reflect.set(Object(at(copy, path)), PLANTED, PLANTED);
  return copy;
}

/** A copy without what stands at a path. */
function removed(body: JsonObject, path: Path): Json {
  const copy = structuredClone(body);
  const holder = at(copy, path.slice(0, -1));
  const key = path.at(-1)!;
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else Reflect.deleteProperty(Object(holder), key);
  return copy;
}

/** A bridge between two dialects, to a target with some traits. */
interface Way {
  readonly pair: readonly [DialectName, DialectName];
  readonly target: TargetChanges;
}

/** Traits of targets: the usual ones, and those of one that takes less. */
const TARGETS: readonly TargetChanges[] = [
  {},
  { promptCacheMarkers: "none", reasoning: { supported: false } },
];

type Fate = "refused" | { readonly body: string; readonly events: readonly FieldEvent[] };

function fateOf({ pair, target }: Way, body: Json): Fate {
  try {
    const { reasons, body: written, events } = crossed(pair, body, target);
    return reasons.length > 0 ? "refused" : { body: JSON.stringify(written), events };
  } catch (error) {
    if (error instanceof GatewayError) return "refused";
    throw error;
  }
}

const wordOf = ({ field, action, reason }: FieldEvent) => `${action} ${field} (${reason})`;

/** What one crossing tells that another does not. */
function toldBeyond(fate: Fate, other: Fate): readonly FieldEvent[] {
  if (fate === "refused" || other === "refused") return [];
  const known = new Set(other.events.map(wordOf));
  return fate.events.filter((event) => !known.has(wordOf(event)));
}

/** Whether what holds a path is told to stay behind as a whole, by its own name. */
function isToldAsWhole(way: Way, body: JsonObject, path: Path): boolean {
  const base = fateOf(way, body);
  return path.some((_, index) => {
    const holder = path.slice(0, index + 1);
    const names = [...holder.slice(-2), at(body, [...holder, "type"])];
    return toldBeyond(base, fateOf(way, removed(body, holder)))
      .some(({ field, action }) => action === "stripped" && names.includes(field));
  });
}

/** The paths of every text, number and switch in a value. */
function leavesIn(value: Json | undefined, path: Path = []): readonly Path[] {
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, item]) =>
      leavesIn(item, [...path, Array.isArray(value) ? Number(key) : key])
    );
  }
  return value === null || value === undefined ? [] : [path];
}

/** Another value of the same kind; a number of another magnitude, since budgets become steps. */
function another(value: Json | undefined): Json {
  if (typeof value === "string") return `${value}x`;
  return typeof value === "number" ? 20 * value + 1 : value !== true;
}

/** A copy with another value at a path. */
function changed(body: JsonObject, path: Path): Json {
  const copy = structuredClone(body);
  Reflect.set(Object(at(copy, path.slice(0, -1))), path.at(-1)!, another(at(body, path)));
  return copy;
}

/** The paths at which a planted member vanishes without a word. */
function lostMembers(way: Way, { body }: Subject, base: Fate): readonly Path[] {
  return objectsIn(body).filter((path) => {
    const fate = fateOf(way, planted(body, path));
    if (fate === "refused" || fate.body.includes(PLANTED)) return false;
    return toldBeyond(fate, base).length === 0 && !isToldAsWhole(way, body, path);
  });
}

/** Values that mean something elsewhere: which group answers, and what its answer shows. */
function isServed(path: Path): boolean {
  return ["model", "stream_options.include_usage"].includes(path.join("."));
}

/** What stands for reasoning, which is told under one name. */
const REASONING = /^(reasoning_.*|thinking|signature|data|summary|encrypted_content)$/;

/** Whether the crossing tells what became of a value by its own name. */
function isNamed(fate: Fate, path: Path): boolean {
  if (fate === "refused") return false;
  // The older name of `summary`.
  const last = String(path.at(-1)).replace("generate_", "");
  const isReasoning = path.some((key) => REASONING.test(String(key)));
  return fate.events.some(({ field }) =>
    field === last || field === path.at(-2) || field.endsWith(`.${last}`) ||
    (field === "reasoning" && isReasoning)
  );
}

/** The paths at which it makes no difference what a value is. */
function deadValues(way: Way, { body }: Subject, base: Fate): readonly Path[] {
  return leavesIn(body).filter((path) => {
    const fate = fateOf(way, changed(body, path));
    if (JSON.stringify(fate) !== JSON.stringify(base)) return false;
    return !isServed(path) && !isNamed(base, path) && !isToldAsWhole(way, body, path);
  });
}

function silences(
  pair: Way["pair"],
  find: (way: Way, subject: Subject, base: Fate) => readonly Path[],
): readonly string[] {
  return TARGETS.flatMap((target) =>
    subjects(pair[0]).flatMap((subject) => {
      const way = { pair, target };
      const base = fateOf(way, subject.body);
      if (base === "refused") return [];
      return find(way, subject, base).map((path) => `${subject.name}: ${path.join(".")}`);
    })
  );
}

for (const from of DIALECT_NAMES) {
  for (const to of DIALECT_NAMES.filter((name) => name !== from)) {
    Deno.test(`${from}>${to}: a member planted anywhere is carried, told or refused`, () => {
      assert.deepEqual(silences([from, to], lostMembers), []);
    });

    Deno.test(`${from}>${to}: each value makes a difference, or is told or refused`, () => {
      assert.deepEqual(silences([from, to], deadValues), []);
    });

    Deno.test(`${from}>${to}: less usual words are carried, told or refused`, () => {
      const way = { pair: [from, to], target: {} } as const;
      const [base] = PROBES[from];
      const silent = EDGES[from].filter(([, said, unsaid]) => {
        const [fate, other] = [said, unsaid].map((body) => fateOf(way, { ...base, ...body }));
        assert(other !== "refused");
        return JSON.stringify(fate) === JSON.stringify(other);
      });
      assert.deepEqual(silent.map(([name]) => name), []);
    });
  }
}
