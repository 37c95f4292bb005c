import assert from "node:assert/strict";
import type { DecisionRecord } from "@/core/record.ts";
import type { RouteContext } from "@/core/strategy.ts";
import { packContext, unpackContext } from "@/core/telemetry/context_record.ts";
import type { DecisionFacts } from "@/core/telemetry/decision_facts.ts";
import { rowsOfFacts } from "@/core/telemetry/fact_rows.ts";
import {
  type RecordedContext,
  recordedContext,
  type SeenContext,
} from "@/core/telemetry/recorded_context.ts";
import { MAX_LINE_BYTES } from "@/storage/journal_folder.ts";
import { createLineEncoder } from "@/storage/line.ts";
import { createLineReader } from "@/storage/line_rows.ts";
import { LineError } from "@/storage/row_reader.ts";
import { contextOf, staticsOf } from "./replay_calls.ts";

const STATICS = staticsOf("failover");

/** The facts of a decision as its line holds them. */
type LineFacts = Omit<DecisionFacts, "context"> & {
  readonly context: RecordedContext | SeenContext;
};

function factsOf(context: RouteContext, plan = '{"targetIndex":0}'): LineFacts {
  const eligible = context.targets.map((target) => ({ ...target, validationStatus: null }));
  return {
    context: recordedContext(context),
    eligible,
    rejected: [],
    passes: [{ pass: "strategy", order: [...context.targets.keys()] }],
    pinState: "miss",
    budgetRule: "economy",
    deferredCount: 0,
    panic: false,
    scores: null,
    record: { engine: "deno", config_fingerprint: "f", plan_json: plan },
    maxCandidates: 64,
    maxFilterReasons: 256,
  };
}

function recordOf(facts: LineFacts): DecisionRecord {
  const { requestId, now } = facts.context;
  const own = { group_name: "general", strategy: "cost", arm: "base", recorded: 1 };
  return {
    requestId,
    ts: now,
    rows: { request_routing_decisions: [own] },
    facts: JSON.stringify(facts),
  };
}

/** What a line of a decision becomes: its text, and its rows by table. */
function shipped(record: DecisionRecord) {
  const text = new TextDecoder().decode(createLineEncoder().decision(1, record));
  const rows = Object.groupBy(createLineReader()(text, 1).rows, ([table]) => table);
  const tables = Object.entries(rows).map(([table, found]) => [
    table,
    found!.map(([, { columns, values }]) =>
      Object.fromEntries(columns.map((name, place) => [name, values[place]]))
    ),
  ]);
  return { text, rows: Object.fromEntries(tables) };
}

/** The record as a gateway wrote it that made the rows itself. */
function made({ facts, ...record }: DecisionRecord): DecisionRecord {
  const { own, rows } = rowsOfFacts(JSON.parse(facts!));
  const [decision] = record.rows["request_routing_decisions"]!;
  return { ...record, rows: { request_routing_decisions: [{ ...decision, ...own }], ...rows } };
}

Deno.test("a line with the facts of a decision becomes the rows of a line that holds them", () => {
  for (let n = 1; n <= 20; n++) {
    const record = recordOf(factsOf(contextOf(n)));
    const { text, rows } = shipped(record);
    assert(!text.includes("context_z"), "packing is left to the reader");
    assert.deepEqual(rows, shipped(made(record)).rows);
    assert.equal(rows["request_routing_decisions"][0].plan_sha256.length, 64);
  }
});

Deno.test("a line that names each member of its context becomes the same rows", () => {
  const given = contextOf(5);
  const facts = factsOf(given);
  const plain = recordOf({ ...facts, context: given });
  for (const [table, rows] of Object.entries(shipped(plain).rows)) {
    if (table === "request_decision_records") continue;
    assert.deepEqual(rows, shipped(recordOf(facts)).rows[table], table);
  }
  const [{ context_z: z, context_sha256: sha256 }] =
    shipped(plain).rows["request_decision_records"];
  assert.equal(JSON.stringify(unpackContext({ z, sha256 }, STATICS)), JSON.stringify(given));
});

Deno.test("a context with a member more, less or in another place is recorded with its names", () => {
  const given = contextOf(5);
  const { temperatureSet, ...others } = given.features;
  const odd = [{ ...others, temperatureSet }, { ...given.features, more: 1 }, others];
  for (const features of odd as (typeof given.features)[]) {
    const { z, bytes, sha256 } = packContext({ ...given, features });
    const again = unpackContext({ z, sha256 }, STATICS);
    assert.equal(JSON.stringify(again.features), JSON.stringify(features));
    assert(bytes > packContext(given).bytes);
  }
});

Deno.test("a decision is read from its line as it was made, every character of it", () => {
  const given = contextOf(5);
  const { features } = given;
  const odd = { ...given, features: { ...features, metadataKeys: ["a\0b", "\ud800", "é🙂"] } };
  const [record] = shipped(recordOf(factsOf(odd))).rows["request_decision_records"];
  const { context_z: z, context_sha256: sha256 } = record;
  assert.equal(JSON.stringify(unpackContext({ z, sha256 }, STATICS)), JSON.stringify(odd));
});

Deno.test("a line too long for its facts holds them packed, and the decision alone past that", () => {
  const given = contextOf(5);
  const long = (rejected: RouteContext["rejected"]) =>
    shipped(recordOf(factsOf({ ...given, rejected })));
  const alike = Array.from(
    { length: 4_000 },
    (_, n) => ({ id: `p/m${n}`, provider: "p", model: `m${n}`, reasons: ["tool-support"] }),
  );
  const packed = long(alike);
  assert(packed.text.length <= MAX_LINE_BYTES);
  assert.equal(packed.rows["request_target_filter_reasons"].length, 256);
  const [{ context_z: z, context_sha256: sha256 }] = packed.rows["request_decision_records"];
  assert.equal(unpackContext({ z, sha256 }, STATICS).rejected.length, 4_000);
  const noise = alike.map((target) => ({ ...target, model: crypto.randomUUID().repeat(4) }));
  const alone = long(noise.map((target) => ({ ...target, id: crypto.randomUUID() })));
  assert.deepEqual(Object.keys(alone.rows), ["request_routing_decisions"]);
  assert.equal(alone.rows["request_routing_decisions"][0].recorded, 0);
});

Deno.test("a line whose facts are none is refused as a line", () => {
  const { facts, ...record } = recordOf(factsOf(contextOf(5)));
  for (const wrong of ["null", "{}", facts!.replace('"targets":[', '"targets":{},"x":[')]) {
    assert.throws(() => shipped({ ...record, facts: wrong }), LineError, wrong.slice(0, 20));
  }
});
