import assert from "node:assert/strict";
import { dirname } from "node:path";
import { setImmediate } from "node:timers";
import { loadConfig } from "@/core/config/load.ts";
import { givenSources } from "@/core/config/sources.ts";
import type { Account } from "@/core/limits/account.ts";
import { Ledger } from "@/core/limits/ledger.ts";
import { LIMIT_KEYS, type ScopeLimits } from "@/core/limits/limit.ts";
import type { Snapshot } from "@/core/snapshot.ts";
import { wait } from "@/core/wait.ts";
import { dialects } from "@/dialects/mod.ts";
import { upstreams } from "@/plugins/mod.ts";
import { openJournal } from "@/storage/journal.ts";
import { openKv } from "@/storage/ledger_kv.ts";
import { openLedgerStore } from "@/storage/ledger_store.ts";
import { stateFault } from "@/storage/state_fault.ts";
import { strategies } from "@/strategies/mod.ts";
import { ECHO, testConfig } from "./gateway_config.ts";
import { makePlace, type Place, record } from "./storage_fixture.ts";
import { until } from "./until.ts";

const CALLERS = 1_000;
const UNLIMITED = Object.fromEntries(LIMIT_KEYS.map((key) => [key, 0])) as ScopeLimits["max"];

/** Told before each commit, which waits for it; what it throws is what becomes of the commit. */
type OnCommit = () => void | Promise<void>;

function snapshotOf(place: Place): Snapshot {
  const path = "/config.yaml";
  const server = { logging: { path: place.logging.path } };
  const text = JSON.stringify(testConfig({ ...ECHO, server }));
  const sources = givenSources({ [path]: { text, mode: null } }, {
    env: () => undefined,
    now: Date.now,
  });
  const loaded = loadConfig(path, sources, { dialects, strategies, builtins: upstreams });
  assert(loaded.ok, JSON.stringify(loaded.problems));
  return loaded.snapshot;
}

/** A database whose commits are told of. */
function watched(kv: Deno.Kv, onCommit: OnCommit): Deno.Kv {
  const atomic = () => {
    const operation = kv.atomic();
    const commit = operation.commit.bind(operation);
    operation.commit = async () => {
      await onCommit();
      return await commit();
    };
    return operation;
  };
  return new Proxy(kv, {
    get(kv, name) {
      if (name === "atomic") return atomic;
      const member = Reflect.get(kv, name, kv);
      return typeof member === "function" ? member.bind(kv) : member;
    },
  });
}

/** A process as far as its limits go: the counters, their store, and the journal. */
async function startLife(place: Place) {
  const [now, clock] = [Date.now, () => performance.now()];
  const life: { onCommit: OnCommit } = { onCommit: () => {} };
  const journal = openJournal(place.logging, { log: place.log, now, shipped: false });
  const ledger = new Ledger({ now, clock });
  const kv = await openKv(`${place.folder}/router.kv`);
  const options = { snapshot: snapshotOf(place), ledger, journal, log: place.log, now, clock };
  const store = await openLedgerStore(watched(kv, () => life.onCommit()), options);
  let calls = 0;
  return Object.assign(life, {
    ledger,
    store,
    /** A call of a caller that is over: its line is written, its charge is counted. */
    call(caller: number) {
      const id = `caller:${caller}`;
      const reservation = ledger.open([{
        kind: "caller",
        name: String(caller),
        id,
        max: UNLIMITED,
        quotaSoftPct: 80,
        keySoftPct: 90,
        onExhaust: "disable",
      }]);
      assert.equal(ledger.take(reservation, [["rpm", 1], ["day.requests", 1]]), null);
      journal.append(record(calls += 1, {
        caller_id: String(caller),
        settled_at: now(),
        charged_at: reservation.chargedAt,
        charged_requests: 1,
      }));
      ledger.settle(reservation, { calls: 1, requests: 1, tokens: 0, nusd: 0 });
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      kv.close();
      await journal.close();
    },
  });
}

type Life = Awaited<ReturnType<typeof startLife>>;

/** Calls of each caller in this day, and in the last minute. */
function counted({ ledger }: Life): readonly (readonly [number, number])[] {
  const at = ledger.moment();
  return Array.from({ length: CALLERS }, (_, caller) => {
    const account: Account = ledger.account(`caller:${caller}`);
    return [account.taken("day.requests", at), account.taken("rpm", at)] as const;
  });
}

Deno.test("counters of a thousand callers are written with turns for calls in between", async () => {
  using place = makePlace();
  await using life = await startLife(place);
  const states: number[] = [0];
  const stateOf = life.ledger.stateOf.bind(life.ledger);
  life.ledger.stateOf = (account) => {
    states[states.length - 1]! += 1;
    return stateOf(account);
  };
  const sum = () => states.reduce((sum, count) => sum + count, 0);
  const turn = () => {
    states.push(0);
    if (sum() < CALLERS) setImmediate(turn);
  };
  setImmediate(turn);
  for (let caller = 0; caller < CALLERS; caller++) life.call(caller);
  await until(() => sum() === CALLERS);
  const most = Math.max(...states);
  assert(most <= 250, `${most} of ${CALLERS} in one turn`);
});

Deno.test("a store that is slow to take the counters of a thousand callers is not down", async () => {
  using place = makePlace();
  await using life = await startLife(place);
  const states = new Set<string>();
  let commits = 0;
  life.onCommit = async () => {
    await wait(250);
    states.add(life.store.state);
    commits += 1;
  };
  for (let caller = 0; caller < CALLERS; caller++) life.call(caller);
  // Far more time than a store has that takes nothing.
  await until(() => commits > 5);
  assert.deepEqual([...states], ["ok"]);
  assert(!place.events.includes("ledger_failed"));
  life.onCommit = () => {};
});

for (
  const { name, between } of [
    { name: "the journal", between: () => {} },
    {
      name: "a journal that has another name by then",
      between: ({ logging }: Place) => {
        Deno.removeSync(`${dirname(logging.path)}/requests.state`);
      },
    },
  ]
) {
  Deno.test(`counters are exact after a kill amid a write with calls beside it, by ${name}`, async () => {
    using place = makePlace();
    const expected = Array.from({ length: CALLERS }, () => [0, 0]);
    for (const commitsLeft of [2, 5, 1_000]) {
      await using life = await startLife(place);
      assert.deepEqual(counted(life), expected);
      const call = (caller: number) => {
        life.call(caller);
        expected[caller]![0]! += 1;
        expected[caller]![1]! += 1;
      };
      let commits = 0;
      life.onCommit = () => {
        if (commits === commitsLeft) throw new Error("killed");
        commits += 1;
        nextMs();
        for (let caller = commits; caller < CALLERS; caller += 97) call(caller);
      };
      for (let caller = 0; caller < CALLERS; caller++) call(caller);
      await until(() => commits === Math.min(commitsLeft, 9));
      between(place);
    }
    await using last = await startLife(place);
    assert.deepEqual(counted(last), expected);
  });
}

/** Calls of the same millisecond cannot be told apart by time. */
function nextMs(): void {
  const now = Date.now();
  while (Date.now() === now);
}

for (
  const [thrown, said] of [
    [new TypeError("database or disk is full"), "database or disk is full"],
    [new Error("disk I/O error (10)"), "disk I/O error"],
    [new TypeError("Cannot reach https://kv.example/v2?token=k"), "TypeError"],
    ["anything", "unknown"],
  ] as const
) {
  Deno.test(`a state that fails is told in words that hold no address: ${said}`, () => {
    assert.equal(stateFault(thrown), said);
  });
}
