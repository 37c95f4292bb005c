import assert from "node:assert/strict";
import fc from "fast-check";
import { chargedUnits, NO_CHARGE } from "@/core/limits/charge.ts";
import { Ledger, type Reservation } from "@/core/limits/ledger.ts";
import { LIMIT_KEYS, type Need, placeOf, type ScopeLimits } from "@/core/limits/limit.ts";
import { type Refusal, refusalError } from "@/core/limits/refusal.ts";
import { budgetOf, keyState, quotaState, rateStanding } from "@/core/limits/standing.ts";
import { type Lane, RollingWindow } from "@/core/limits/rolling_window.ts";
import { NOW } from "./builders.ts";
import { LedgerModel, type ModelCall, type ModelTime } from "./ledger_model.ts";

const NONE = Object.fromEntries(LIMIT_KEYS.map((key) => [key, 0])) as ScopeLimits["max"];

function limitsOf(max: Partial<ScopeLimits["max"]>, changes: Partial<ScopeLimits> = {}) {
  const { kind = "caller", name = "ci" } = changes;
  return {
    kind,
    name,
    id: `${kind}:${name}`,
    max: { ...NONE, ...max },
    quotaSoftPct: 80,
    keySoftPct: 90,
    onExhaust: "disable",
    ...changes,
  } satisfies ScopeLimits;
}

/** A ledger at a clock that tests move. */
function ledgerAt(start = NOW) {
  const clock = { now: start, clock: 0 };
  const ledger = new Ledger({ now: () => clock.now, clock: () => clock.clock });
  const pass = (ms: number) => {
    clock.now += ms;
    clock.clock += ms;
  };
  return { ledger, clock, pass };
}

/** A ledger that shares with nobody has nothing to wait for. */
function take(ledger: Ledger, reservation: Reservation, need: Need): Refusal | null {
  const taken = ledger.take(reservation, need);
  if (taken instanceof Promise) throw new TypeError("Cannot wait");
  return taken;
}

const CALL = [["rpm", 1], ["day.requests", 1], ["month.requests", 1]] as const;
const tokens = (units: number) =>
  [
    ["tpm", units],
    ["day.tokens", units],
    ["month.tokens", units],
    ["lifetime.tokens", units],
  ] as const;

Deno.test("each limit has its own place, in the order of the list", () => {
  assert.deepEqual(LIMIT_KEYS.map(placeOf), LIMIT_KEYS.map((_, place) => place));
});

Deno.test("what one reservation hands on takes the place of what the other holds", () => {
  const { ledger } = ledgerAt();
  const scopes = [limitsOf({ "day.cost": 100 })];
  const [first, second, third] = [ledger.open(scopes), ledger.open(scopes), ledger.open(scopes)];
  const taken = () => first.accounts[0]!.taken("day.cost", ledger.moment());
  assert.equal(take(ledger, first, [["day.cost", 10]]), null);
  assert.equal(take(ledger, second, [["day.cost", 60]]), null);
  assert.equal(take(ledger, third, [["day.cost", 31]])?.key, "day.cost", "both count");
  ledger.hand(second, first, ["day.cost"]);
  assert.equal(taken(), 60);
  ledger.release(second, ["day.cost"]);
  assert.equal(taken(), 60, "the second has nothing left to give back");
  ledger.settle(first, { ...NO_CHARGE, calls: 1, nusd: 25 });
  assert.equal(taken(), 25);
  assert.deepEqual([...ledger.overruns], []);
  assert.equal(take(ledger, third, [["day.cost", 75]]), null);
  ledger.hand(third, first, ["day.cost"]);
  assert.equal(taken(), 25, "what is settled takes nothing more");
});

Deno.test("what is handed on after midnight counts in the new day, here and from the journal", () => {
  const { ledger, clock, pass } = ledgerAt(Date.UTC(2026, 10, 30, 23, 59, 59));
  const scopes = [limitsOf({ "day.cost": 100, "month.cost": 100 })];
  const [first, second] = [ledger.open(scopes), ledger.open(scopes)];
  const charge = { ...NO_CHARGE, calls: 1, nusd: 25 };
  assert.equal(take(ledger, first, [["day.cost", 10], ["month.cost", 10]]), null);
  pass(1_000);
  assert.equal(take(ledger, second, [["day.cost", 60], ["month.cost", 60]]), null);
  ledger.hand(second, first, ["day.cost", "month.cost"]);
  ledger.settle(first, charge);
  const rebuilt = new Ledger({ now: () => clock.now, clock: () => clock.clock });
  rebuilt.replay("caller:ci", charge, first.chargedAt);
  for (const counted of [ledger, rebuilt]) {
    const account = counted.account("caller:ci");
    const taken = (key: "day.cost" | "month.cost") => account.taken(key, counted.moment());
    assert.deepEqual([taken("day.cost"), taken("month.cost")], [25, 25]);
  }
});

Deno.test("ledger admits as many calls a minute as its limit, and again when they are 60 s old", () => {
  const { ledger, pass } = ledgerAt();
  const limits = [limitsOf({ rpm: 3 })];
  const admitted = () => take(ledger, ledger.open(limits), CALL) === null;
  assert.deepEqual([admitted(), admitted(), admitted(), admitted()], [true, true, true, false]);
  pass(60_000);
  assert.equal(admitted(), false, "the slot of 100 ms has not left yet");
  pass(100);
  assert.deepEqual([admitted(), admitted(), admitted(), admitted()], [true, true, true, false]);
});

Deno.test("ledger gives back what a call did not use, and charges what it used above", () => {
  const { ledger } = ledgerAt();
  const limits = limitsOf({ tpm: 100 });
  const used = () => ledger.account("caller:ci").taken("tpm", ledger.moment());
  for (const [reserved, actual] of [[50, 10], [50, 70]] as const) {
    const reservation = ledger.open([limits]);
    assert.equal(take(ledger, reservation, tokens(reserved)), null);
    const before = used();
    ledger.settle(reservation, { ...NO_CHARGE, calls: 1, tokens: actual });
    assert.equal(used(), before - reserved + actual);
    ledger.settle(reservation, { ...NO_CHARGE, calls: 1, tokens: 1_000 });
    assert.equal(used(), before - reserved + actual, "a second settle changes nothing");
  }
});

Deno.test("ledger needs room in every scope, takes all or nothing, and names the scope in the way", () => {
  const { ledger } = ledgerAt();
  const own = limitsOf({ rpm: 10 });
  const project = limitsOf({ rpm: 1 }, { kind: "project", name: "shop" });
  assert.equal(take(ledger, ledger.open([own, project]), CALL), null);
  const refusal = take(ledger, ledger.open([own, project]), CALL);
  assert.equal(refusal?.limits.id, "project:shop");
  const error = refusalError(refusal!, ledger.moment());
  assert.equal(error.type, "rpm-exceeded");
  assert.equal(error.details["scope"], "project");
  assert.match(error.message, /project "shop"/);
  assert.equal(ledger.account("caller:ci").taken("rpm", ledger.moment()), 1);
});

const ENDS = "2026-11-21T00:00:00.000Z";

for (
  const { key, type, details } of [
    { key: "rpm", type: "rpm-exceeded", details: { limit: 5, used: 3, needed: 3 } },
    { key: "tpm", type: "tpm-exceeded", details: { limit: 5, used: 3, needed: 3 } },
    { key: "concurrent", type: "concurrency-exceeded", details: { limit: 5, used: 3 } },
    { key: "lifetime.tokens", type: "key-exhausted", details: { limit: 5, used: 3, needed: 3 } },
    {
      key: "day.tokens",
      type: "quota-exhausted",
      details: { limit_key: "quota.day.tokens", limit: 5, used: 3, window_end: ENDS },
    },
    {
      key: "month.cost",
      type: "quota-exhausted",
      details: { limit_key: "quota.month.cost_usd", limit: 5e-9, used: 3e-9 },
    },
  ] as const
) {
  Deno.test(`ledger refuses beyond ${key} with ${type} and its facts`, () => {
    const { ledger } = ledgerAt();
    const limits = [limitsOf({ [key]: 5 })];
    assert.equal(take(ledger, ledger.open(limits), [[key, 3]]), null);
    const refusal = take(ledger, ledger.open(limits), [[key, 3]]);
    const error = refusalError(refusal!, ledger.moment());
    assert.equal(error.type, type);
    for (const [name, value] of Object.entries(details)) {
      assert.equal(error.details[name], value, name);
    }
    const never = take(ledger, ledger.open(limits), [[key, 6]]);
    const hopeless = refusalError(never!, ledger.moment());
    assert.deepEqual([hopeless.details["never_fits"], hopeless.retryable], [true, false]);
    assert.equal(hopeless.details["retry_after_ms"], undefined);
  });
}

Deno.test("ledger tells when there is room again, and then there is", () => {
  const { ledger, pass } = ledgerAt();
  const limits = [limitsOf({ tpm: 100 })];
  for (const units of [40, 30, 30]) {
    assert.equal(take(ledger, ledger.open(limits), tokens(units)), null);
    pass(10_000);
  }
  const refusal = take(ledger, ledger.open(limits), tokens(50));
  const wait = Number(refusalError(refusal!, ledger.moment()).details["retry_after_ms"]);
  assert.equal(wait, 40_100, "two of the three must leave");
  pass(wait - 1);
  assert.notEqual(take(ledger, ledger.open(limits), tokens(50)), null);
  pass(1);
  assert.equal(take(ledger, ledger.open(limits), tokens(50)), null);
});

Deno.test("ledger counts lifetime tokens and never refuses them with on_exhaust: warn", () => {
  const { ledger } = ledgerAt();
  const limits = limitsOf({ "lifetime.tokens": 10 }, { onExhaust: "warn" });
  const scopes = [{ limits, account: ledger.account("caller:ci") }];
  for (const state of ["warning", "exhausted"]) {
    const reservation = ledger.open([limits]);
    assert.equal(take(ledger, reservation, tokens(9)), null);
    ledger.settle(reservation, { ...NO_CHARGE, calls: 1, tokens: 9 });
    assert.equal(keyState(scopes, ledger.moment()), state);
  }
});

Deno.test("ledger tells pressure, states and standing of the tightest scope", () => {
  const { ledger, pass } = ledgerAt();
  const own = limitsOf({ rpm: 10, "day.tokens": 100, "month.cost": 1_000 });
  const user = limitsOf({ rpm: 4, "day.tokens": 1_000 }, { kind: "user", name: "ada" });
  const reservation = ledger.open([own, user]);
  const scopes = [own, user].map((limits) => ({ limits, account: ledger.account(limits.id) }));
  assert.deepEqual(budgetOf(scopes, ledger.moment()), { day: 0, month: 0, pressure: 0 });
  take(ledger, reservation, [...CALL, ...tokens(80), ["month.cost", 900]]);
  assert.deepEqual(budgetOf(scopes, ledger.moment()), { day: 0.8, month: 0.9, pressure: 0.9 });
  assert.equal(quotaState(scopes, ledger.moment()), "warning");
  pass(1_000);
  const { requests, tokens: minute } = rateStanding(scopes, ledger.moment());
  assert.deepEqual(requests, { limit: 4, remaining: 3, emptyMs: 59_100 });
  assert.equal(minute, null);
});

Deno.test("ledger opens the next day and month, and a call stays in those of its admission", () => {
  const { ledger, pass } = ledgerAt(Date.UTC(2026, 10, 30, 23, 59, 59));
  const limits = [limitsOf({ "day.tokens": 10, "month.tokens": 10 })];
  const before = ledger.open(limits);
  assert.equal(take(ledger, before, tokens(10)), null);
  assert.notEqual(take(ledger, ledger.open(limits), tokens(1)), null);
  pass(1_000);
  assert.equal(take(ledger, ledger.open(limits), tokens(10)), null, "December has room");
  ledger.settle(before, { ...NO_CHARGE, calls: 1, tokens: 10 });
  const account = ledger.account("caller:ci");
  assert.equal(account.taken("day.tokens", ledger.moment()), 10, "November's tokens stay there");
});

Deno.test("ledger keeps a closed day closed when the clock steps back, and its minute when it jumps", () => {
  const { ledger, clock } = ledgerAt(Date.UTC(2026, 10, 20, 23, 30));
  const limits = [limitsOf({ rpm: 1, "day.requests": 5 })];
  const account = ledger.account("caller:ci");
  assert.equal(take(ledger, ledger.open(limits), CALL), null);
  clock.now += 3_600_000;
  assert.notEqual(take(ledger, ledger.open(limits), CALL), null, "an hour later by the wall alone");
  assert.equal(account.taken("day.requests", ledger.moment()), 0, "the next day has begun");
  clock.now -= 3_600_000;
  assert.equal(account.taken("day.requests", ledger.moment()), 0, "and goes on");
  clock.clock += 60_100;
  assert.equal(take(ledger, ledger.open(limits), CALL), null, "a minute has really passed");
});

Deno.test("ledger settles a call once, and gives nothing to one that is settled", () => {
  const { ledger } = ledgerAt();
  const reservation = ledger.open([limitsOf({ tpm: 100 })]);
  const used = () => ledger.account("caller:ci").taken("tpm", ledger.moment());
  assert.equal(take(ledger, reservation, tokens(10)), null);
  for (const _time of [1, 2]) {
    ledger.settle(reservation, { calls: 1, requests: 1, tokens: 30, nusd: 0 });
    assert.deepEqual([used(), ledger.overruns.get("tpm")], [30, 20]);
  }
  assert.equal(take(ledger, reservation, tokens(10)), null);
  assert.equal(used(), 30);
});

Deno.test("ledger admits its limit of a burst of 5,000, and the next minute's as well", () => {
  const { ledger, pass } = ledgerAt();
  const limits = [limitsOf({ rpm: 100, concurrent: 10 })];
  for (const _minute of [1, 2, 3]) {
    let admitted = 0;
    for (let call = 0; call < 5_000; call++) {
      const reservation = ledger.open(limits);
      const refusal = take(ledger, reservation, [...CALL, ["concurrent", 1]]);
      if (refusal === null) admitted += 1;
      ledger.settle(reservation, refusal === null ? { ...NO_CHARGE, calls: 1 } : NO_CHARGE);
    }
    assert.equal(admitted, 100);
    assert.equal(ledger.account("caller:ci").taken("concurrent", ledger.moment()), 0);
    pass(60_100);
  }
});

Deno.test("ledger gives an hour of a clock that jumps to nobody, forwards or backwards", () => {
  for (const jump of [3_600_000, -3_600_000]) {
    const { ledger, clock, pass } = ledgerAt(Date.UTC(2026, 10, 20, 12));
    const limits = [limitsOf({ rpm: 3, "day.requests": 5 })];
    const admitted = () => take(ledger, ledger.open(limits), CALL) === null;
    assert.deepEqual([admitted(), admitted(), admitted(), admitted()], [true, true, true, false]);
    clock.now += jump;
    assert.equal(admitted(), false, "the minute goes on");
    pass(60_100);
    assert.deepEqual([admitted(), admitted(), admitted()], [true, true, false], "so does the day");
  }
});

Deno.test("rolling window counts what a list of all charges would, however many slots it has", () => {
  const charge = fc.record({
    lane: fc.constantFrom<Lane>(0, 1),
    units: fc.nat(9),
    after: fc.oneof(fc.nat(150), fc.nat(900), fc.constant(20_000)),
    /** How long before now it is added, as a start does; `null`: it is reserved now. */
    ago: fc.option(fc.nat(70_000), { freq: 2 }),
    actual: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(charge, { maxLength: 900, size: "max" }), (charges) => {
      const window = new RollingWindow();
      const all: { lane: Lane; slot: number; units: number }[] = [];
      let now = 1_000_000;
      for (const { lane, units, after, ago, actual } of charges) {
        now += after;
        const time = now - (ago ?? 0);
        const item = { lane, slot: Math.floor(time / 100), units };
        all.push(item);
        if (ago !== null) window.add(lane, units, { time, steady: now });
        else {
          const slot = window.reserve(lane, units, now);
          if (units % 2 === 0) {
            window.settle(lane, slot, { reserved: units, actual });
            item.units = actual;
          }
        }
        for (const lane of [0, 1] as const) {
          const held = all.filter((item) =>
            item.lane === lane && (item.slot + 1) * 100 + 60_000 > now
          );
          const sum = held.reduce((sum, { units }) => sum + units, 0);
          assert.equal(window.taken(lane, now), sum);
        }
      }
    }),
    { numRuns: 30, seed: 20261121 },
  );
});

/** One step of a schedule. */
type Step =
  | { readonly kind: "call"; readonly caller: 0 | 1; readonly tokens: number }
  | { readonly kind: "settle"; readonly pick: number; readonly tokens: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "jump"; readonly ms: number }
  /** `down` is how long nothing runs after it, ms. */
  | { readonly kind: "crash"; readonly down: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("call" as const),
      caller: fc.constantFrom(0 as const, 1 as const),
      tokens: fc.nat(40),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      pick: fc.nat(20),
      tokens: fc.nat(60),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.oneof(fc.nat(500), fc.nat(70_000), fc.nat(40_000_000)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("jump" as const),
      ms: fc.integer({ min: -72_000, max: 72_000 }).map((slots) => slots * 100),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      down: fc.oneof(fc.constant(0), fc.nat(70_000), fc.nat(100_000_000)),
    }),
  },
);

const SCOPES = [
  [
    limitsOf({ rpm: 6, tpm: 150, concurrent: 3, "day.requests": 20 }),
    limitsOf({ tpm: 220, rpm: 9, "month.tokens": 900 }, { kind: "project", name: "shop" }),
  ],
  [
    limitsOf({ tpm: 100, "day.tokens": 300, "lifetime.tokens": 800 }, { name: "other" }),
    limitsOf({ tpm: 220, rpm: 9, "month.tokens": 900 }, { kind: "project", name: "shop" }),
  ],
] as const;

/** A ledger, its model, and what is written down of calls that ended. */
class Simulation {
  #wall = NOW;
  #clock = 0;
  #ledger = this.#newLedger();
  readonly #model = new LedgerModel();
  #open: { reservation: Reservation; call: ModelCall }[] = [];

  #newLedger() {
    return new Ledger({ now: () => this.#wall, clock: () => this.#clock });
  }

  get #time(): ModelTime {
    return this.#ledger.moment();
  }

  run(step: Step): void {
    switch (step.kind) {
      case "call":
        return this.#call(SCOPES[step.caller], step.tokens);
      case "settle":
        return this.#settle(step.pick, step.tokens);
      case "pass":
        this.#wall += step.ms;
        this.#clock += step.ms;
        return;
      case "jump":
        this.#wall += step.ms;
        return;
      case "crash":
        return this.#crash(step.down);
    }
  }

  #call(scopes: readonly ScopeLimits[], units: number): void {
    const call: ModelCall = { scopes, charges: new Map(), settled: false };
    const reservation = this.#ledger.open(scopes);
    const need = [...CALL, ...tokens(units), ["concurrent", 1]] as const;
    const refusal = take(this.#ledger, reservation, need);
    assert.equal(refusal === null, this.#model.take(call, need, this.#time), refusal?.key);
    if (refusal === null) this.#open.push({ reservation, call });
  }

  #settle(pick: number, units: number): void {
    const [item] = this.#open.splice(pick % Math.max(1, this.#open.length), 1);
    if (!item) return;
    const charge = { calls: 1, requests: units % 2, tokens: units, nusd: units };
    this.#ledger.settle(item.reservation, charge);
    this.#model.settle(item.call, (key) => chargedUnits(charge, key));
    item.call.settled = true;
  }

  /** The next process starts from what was saved; what was open is gone. */
  #crash(down: number): void {
    const states = ["caller:ci", "caller:other", "project:shop"]
      .map((id) => [id, structuredClone(this.#ledger.stateOf(this.#ledger.account(id)))] as const);
    this.#open = [];
    this.#model.crash(this.#wall - this.#ledger.moment().steady);
    this.#wall += down;
    this.#clock += down;
    this.#ledger = this.#newLedger();
    for (const [id, state] of states) this.#ledger.restore(id, state);
  }

  check(): void {
    const at = this.#time;
    for (const scope of SCOPES.flat()) {
      const account = this.#ledger.account(scope.id);
      for (const key of LIMIT_KEYS) {
        assert.equal(account.taken(key, at), this.#model.taken(scope.id, key, at), key);
        assert.equal(account.reserved(key, at), this.#model.reserved(scope.id, key, at), key);
        const max = scope.max[key];
        const settledAbove = key !== "rpm" && key !== "concurrent" && key !== "day.requests";
        if (max > 0 && !settledAbove) assert(account.taken(key, at) <= max, key);
      }
    }
  }
}

Deno.test("ledger does what a list of all calls would do, through crashes and clock jumps", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const simulation = new Simulation();
      for (const step of steps) {
        simulation.run(step);
        simulation.check();
      }
    }),
    { numRuns: 300, seed: 20261120 },
  );
});
