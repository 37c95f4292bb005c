import assert from "node:assert/strict";
import fc from "fast-check";
import { LeaseBook, type LeaseCell } from "@/core/limits/lease_book.ts";
import {
  type LeaseEntry,
  type LeaseWorld,
  type Synced,
  syncEntry,
} from "@/core/limits/lease_entry.ts";
import { LIMIT_KEYS, type LimitKey, type ScopeLimits } from "@/core/limits/limit.ts";
import { NOW } from "./builders.ts";

const PROCESSES = ["a", "b", "c"];
/** One small, so that it is reached again and again, and one that lets a process have some units ahead. */
const LIMITS = [7, 90] as const;

function limitsOf(key: LimitKey, limit: number): ScopeLimits {
  const none = Object.fromEntries(LIMIT_KEYS.map((key) => [key, 0])) as ScopeLimits["max"];
  return {
    kind: "caller",
    name: "ci",
    id: "caller:ci",
    max: { ...none, [key]: limit },
    quotaSoftPct: 80,
    keySoftPct: 90,
    onExhaust: "disable",
  };
}

/** One step: a process does something, or time passes. */
type Step =
  | { readonly kind: "call"; readonly process: number; readonly units: number }
  | { readonly kind: "settle"; readonly pick: number; readonly share: number }
  /** Looks at the store and writes some steps later: somebody may come in between. */
  | { readonly kind: "read"; readonly process: number }
  | { readonly kind: "write"; readonly process: number }
  | { readonly kind: "pass"; readonly ms: number };

const process = fc.nat(PROCESSES.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("call" as const),
      process,
      units: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      pick: fc.nat(9),
      share: fc.nat(4),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("read" as const), process }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("write" as const), process }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.oneof(fc.nat(150), fc.nat(150), fc.nat(30_000)),
    }),
  },
);

/** Processes that count one limit in one entry, and everything they ever admitted. */
class Fleet {
  readonly #limits: ScopeLimits;
  readonly #key: LimitKey;
  readonly #books = PROCESSES.map(() => new LeaseBook());
  readonly #waits: number[][] = PROCESSES.map(() => []);
  readonly #pending: ({ synced: Synced; version: number } | null)[] = PROCESSES.map(() => null);
  #entry: LeaseEntry | null = null;
  #version = 0;
  #time = NOW;
  readonly #admitted: { at: number; units: number }[] = [];
  readonly #open: {
    process: number;
    cell: LeaseCell;
    units: number;
    admitted: { units: number };
  }[] = [];

  constructor(key: LimitKey, limit: number) {
    this.#key = key;
    this.#limits = limitsOf(key, limit);
  }

  run(step: Step): void {
    switch (step.kind) {
      case "call":
        this.#waits[step.process]!.push(step.units);
        return this.#serve(step.process);
      case "settle":
        return this.#settle(step.pick, step.share);
      case "read":
        return this.#read(step.process);
      case "write":
        return this.#write(step.process);
      case "pass":
        this.#time += step.ms;
    }
  }

  /** Whoever has its units is admitted at once, as a call is. */
  #serve(process: number): void {
    const book = this.#books[process]!;
    const at = { window: 0, steady: this.#time };
    this.#waits[process] = this.#waits[process]!.filter((units) => {
      if (book.left(this.#key, 0, this.#time) < units) return true;
      const cell = book.take(this.#key, units, at);
      const admitted = { at: this.#time, units };
      this.#admitted.push(admitted);
      this.#open.push({ process, cell, units, admitted });
      return false;
    });
  }

  #settle(pick: number, share: number): void {
    const [call] = this.#open.splice(pick % Math.max(1, this.#open.length), 1);
    if (!call) return;
    const actual = this.#key === "concurrent" ? 0 : Math.min(call.units, share);
    this.#books[call.process]!.settle(call.cell, call.units, actual, this.#time);
    call.admitted.units = actual;
    this.#serve(call.process);
  }

  #world(process: number): LeaseWorld {
    return {
      slot: PROCESSES[process]!,
      seq: 0,
      wall: this.#time,
      steady: this.#time,
      windowOf: () => 0,
      processes: PROCESSES.length,
      dead: new Set(),
    };
  }

  #read(process: number): void {
    if (this.#pending[process]) return;
    const waiting = this.#waits[process]!.map((units) => ({
      limits: this.#limits,
      need: [[this.#key, units]] as const,
    }));
    const synced = syncEntry(this.#entry, this.#books[process]!, waiting, this.#world(process));
    this.#pending[process] = { synced: synced, version: this.#version };
  }

  #write(process: number): void {
    const pending = this.#pending[process];
    this.#pending[process] = null;
    if (!pending) return;
    if (pending.version !== this.#version) return pending.synced.undo();
    this.#entry = structuredClone(pending.synced.entry);
    this.#version += 1;
    pending.synced.apply();
    this.#serve(process);
  }

  /** Units that stand against the limit now. */
  used(): number {
    const counts = (at: number) => this.#key !== "rpm" || at > this.#time - 60_000;
    return this.#admitted.filter(({ at }) => counts(at)).reduce((sum, { units }) => sum + units, 0);
  }

  /** Everything settles, everybody reports: nothing is held any more. */
  finish(): LeaseEntry {
    this.#waits.forEach((waits) => waits.splice(0));
    PROCESSES.forEach((_, process) => this.#write(process));
    while (this.#open.length > 0) this.#settle(0, 4);
    this.#time += 2_000;
    for (let process = 0; process < PROCESSES.length; process++) {
      this.#read(process);
      this.#write(process);
    }
    return this.#entry!;
  }
}

for (const key of ["rpm", "concurrent", "day.tokens", "lifetime.tokens"] as const) {
  Deno.test(`processes that share an entry never admit more than ${key}, whoever comes in between`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        for (const limit of LIMITS) {
          const fleet = new Fleet(key, limit);
          for (const step of steps) {
            fleet.run(step);
            assert(fleet.used() <= limit, `${fleet.used()} units`);
          }
        }
      }),
      { numRuns: 400, seed: 20261120 },
    );
  });
}

for (const key of ["concurrent", "day.tokens"] as const) {
  Deno.test(`entry of ${key} holds nothing but what was used when all is settled`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        for (const limit of LIMITS) {
          const fleet = new Fleet(key, limit);
          for (const step of steps) fleet.run(step);
          const { windows } = fleet.finish();
          const { used, slots } = windows[key]!;
          assert.deepEqual(Object.values(slots).flat().filter((units) => units !== 0), []);
          assert.equal(used, fleet.used());
        }
      }),
      { numRuns: 200, seed: 20261120 },
    );
  });
}

/** A process whose calls come one each ms; gives how often it asked, and the most it had to spare. */
function callsInARow(key: LimitKey, limit: number, calls: number) {
  const book = new LeaseBook();
  const need = [[key, 1]] as const;
  let entry: LeaseEntry | null = null;
  let [asked, mostIdle] = [0, 0];
  for (let call = 0; call < calls; call++) {
    const steady = NOW + call;
    const world = { slot: "a", seq: 0, wall: steady, steady, windowOf: () => 0, processes: 2 };
    if (book.left(key, 0, steady) < 1) {
      const waiting = [{ limits: limitsOf(key, limit), need }];
      const synced = syncEntry(entry, book, waiting, { ...world, dead: new Set() });
      assert.deepEqual(synced.verdicts, ["granted"]);
      synced.apply();
      entry = synced.entry;
      asked += 1;
      mostIdle = Math.max(mostIdle, entry.windows[key]!.slots["a"]![1] - 1);
    }
    const cell = book.take(key, 1, { window: 0, steady });
    book.settle(cell, 1, key === "concurrent" ? 0 : 1, steady);
  }
  return { asked, mostIdle };
}

for (const key of ["rpm", "day.requests"] as const) {
  Deno.test(`a process asks for ${key} ever less often, and has few to spare where the limit is near`, () => {
    const { asked, mostIdle } = callsInARow(key, 1_000_000, 1_000);
    assert(asked < 40, `asked ${asked} times`);
    assert(mostIdle <= 100, `${mostIdle} to spare`);
    // The last of its limit is granted call by call.
    const near = callsInARow(key, 100, 100);
    assert(near.mostIdle <= 100 / 16, `${near.mostIdle} to spare`);
    assert(near.asked > asked, `asked ${near.asked} times`);
  });
}

Deno.test("calls in flight alone are never granted ahead", () => {
  assert.deepEqual(callsInARow("concurrent", 1_000, 500), { asked: 1, mostIdle: 0 });
});
