import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { loadConfig } from "@/core/config/load.ts";
import { givenSources } from "@/core/config/sources.ts";
import { NO_CHARGE } from "@/core/limits/charge.ts";
import { Ledger, type Reservation } from "@/core/limits/ledger.ts";
import type { LedgerStore } from "@/core/limits/ledger_store.ts";
import { LIMIT_KEYS, type LimitKey, type Need, type ScopeLimits } from "@/core/limits/limit.ts";
import { createLog } from "@/core/log.ts";
import type { Period } from "@/core/period.ts";
import { wait } from "@/core/wait.ts";
import { dialects } from "@/dialects/mod.ts";
import { upstreams } from "@/plugins/mod.ts";
import { openJournal } from "@/storage/journal.ts";
import { createLeaseKv, type LeaseKv } from "@/storage/lease_kv.ts";
import { recoverLeases } from "@/storage/lease_recovery.ts";
import { openKv } from "@/storage/ledger_kv.ts";
import { openLedgerStore } from "@/storage/ledger_store.ts";
import { strategies } from "@/strategies/mod.ts";
import { caller, testConfig, TOKEN } from "./gateway_config.ts";
import { type SharedStore, type StoreKind, STORES, TRIED } from "./shared_stores.ts";
import { makePlace, record } from "./storage_fixture.ts";
import { until } from "./until.ts";

const MEMBERS = 4;

/** Limits of a caller: one that is set, the others without bound. */
function limitsOf(key: LimitKey, limit: number): ScopeLimits {
  const max = Object.fromEntries(LIMIT_KEYS.map((name) => [name, name === key ? limit : 0]));
  return {
    kind: "caller",
    name: "ci",
    id: "caller:ci",
    max: max as ScopeLimits["max"],
    quotaSoftPct: 80,
    keySoftPct: 90,
    onExhaust: "disable",
  };
}

/** One process that counts, as far as its store and its ledger go. */
interface Member {
  readonly ledger: Ledger;
  readonly store: LedgerStore;
  readonly kv: Deno.Kv;
  /** How far its wall is off, ms. */
  skewMs: number;
}

interface Fleet extends AsyncDisposable {
  readonly members: readonly Member[];
}

/** Members with journals of their own on one store, and a steady clock in common. */
async function startFleet(store: SharedStore, dir: string, count = MEMBERS): Promise<Fleet> {
  const config = testConfig({
    upstreams: [],
    providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
    group: { targets: [{ provider: "echo", model: "echo" }] },
    callers: [caller("ci", TOKEN)],
    server: { workers: count },
    top: { state_path: store.path },
  });
  const path = `${dir}/config.yaml`;
  const files = { [path]: { text: JSON.stringify(config), mode: null } };
  const sources = givenSources(files, { env: () => undefined, now: Date.now });
  const loaded = loadConfig(path, sources, { dialects, strategies, builtins: upstreams });
  assert(loaded.ok, JSON.stringify(loaded.problems));
  const { snapshot } = loaded;
  const log = createLog({ level: "error", format: "json" }, { now: Date.now, line: () => {} });
  const clock = () => performance.now();
  const origin = Date.now() - clock();
  const members: Member[] = [];
  const journals: Disposable[] = [];
  const databases: Deno.Kv[] = [];
  for (let writer = 0; writer < count; writer++) {
    const world = { skewMs: 0 };
    const now = () => Date.now() + world.skewMs;
    const journal = openJournal(snapshot.server.logging, { log, now, shipped: false, writer });
    journals.push({ [Symbol.dispose]: () => void journal.close() });
    const ledger = new Ledger({ now, clock, origin });
    const kv = await openKv(snapshot.server.ledger.path);
    databases.push(kv);
    const store = await openLedgerStore(kv, { snapshot, ledger, journal, log, now, clock });
    members.push(Object.assign(world, { ledger, store, kv }));
  }
  return {
    members,
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(({ store }) => store.close()));
      for (const journal of journals) journal[Symbol.dispose]();
      for (const kv of databases) kv.close();
    },
  };
}

/** A call; `null` when it was refused. */
async function admit(
  { ledger }: Member,
  limits: ScopeLimits,
  need: Need,
): Promise<Reservation | null> {
  const reservation = ledger.open([limits]);
  return await ledger.take(reservation, need) === null ? reservation : null;
}

type Work = (fleet: Fleet, store: SharedStore) => Promise<void>;

async function runWith(open: StoreKind["open"], work: Work): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await using store = await open(dir);
    await using fleet = await startFleet(store, dir);
    await work(fleet, store);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

for (const { name, open } of STORES) {
  const withFleet = (work: Work) => runWith(open, work);

  for (
    const [key, limit, units] of [
      ["rpm", 100, 1],
      ["tpm", 100_000, 500],
      ["concurrent", 20, 1],
      ["day.cost", 1_000_000_000, 10_000_000],
      ["lifetime.tokens", 50_000, 500],
    ] as const
  ) {
    Deno.test(`processes on ${name} use up ${key}, never pass it, and leave nothing held`, () =>
      withFleet(async ({ members }) => {
        const limits = limitsOf(key, limit);
        const calls = Array.from(
          { length: 50 * MEMBERS },
          (_, turn) => admit(members[turn % MEMBERS]!, limits, [[key, units]]),
        );
        const admitted = (await Promise.all(calls)).filter((call) => call !== null);
        const fits = Math.min(calls.length, limit / units);
        assert(admitted.length <= fits, `${admitted.length} of ${fits}`);
        assert(admitted.length >= 0.95 * fits, `${admitted.length} of ${fits}`);
        const charge = { ...NO_CHARGE, calls: 1, requests: 1, tokens: units, nusd: units };
        const owner = (call: Reservation) =>
          members.find(({ ledger }) => call.accounts[0] === ledger.account("caller:ci"))!;
        for (const call of admitted) owner(call).ledger.settle(call, charge);
        const used = key === "concurrent" ? 0 : admitted.length * units;
        await until(async () => {
          const taken = await Promise.all(members.map(async ({ ledger, store }) => {
            const account = ledger.account("caller:ci");
            await store.refresh([account]);
            return account.taken(key, ledger.moment());
          }));
          return taken.every((units) => units === used);
        });
      }));
  }

  for (const hours of [1, -1]) {
    Deno.test(`processes on ${name} keep to their limits when the clock jumps ${hours} h`, () =>
      withFleet(async ({ members }) => {
        const [first, second] = members as [Member, Member];
        const calls = limitsOf("concurrent", 5);
        const rate = limitsOf("rpm", 5);
        for (let turn = 0; turn < 5; turn++) {
          assert(await admit(first, calls, [["concurrent", 1]]));
          assert(await admit(first, rate, [["rpm", 1]]));
        }
        for (const member of members) member.skewMs = hours * 3_600_000;
        assert.equal(await admit(second, calls, [["concurrent", 1]]), null, "they still run");
        assert.equal(await admit(second, rate, [["rpm", 1]]), null, "the minute is not over");
        assert.equal(second.store.state, "ok");
      }));
  }

  Deno.test(`processes on ${name} that were given different limits each keep to their own`, () =>
    withFleet(async ({ members }) => {
      const need: Need = [["day.requests", 1]];
      const ask = async (limit: number, of: readonly Member[], calls: number) => {
        const asked = Array.from(
          { length: calls },
          (_, turn) => admit(of[turn % of.length]!, limitsOf("day.requests", limit), need),
        );
        return (await Promise.all(asked)).filter((call) => call !== null).length;
      };
      const [low, high] = await Promise.all([
        ask(20, members.slice(0, 2), 60),
        ask(100, members.slice(2), 140),
      ]);
      assert(low <= 20 && low + high <= 100, `${low} and ${high}`);
      assert(low + high >= 95, `${low} and ${high}`);
      assert.equal(await ask(20, members.slice(0, 2), 10), 0, "others used more than they may");
    }));

  Deno.test(`processes on ${name} see what others use of a minute that has no limit yet`, () =>
    withFleet(async ({ members }) => {
      const [first, second] = members as [Member, Member];
      assert(await admit(first, limitsOf("rpm", 5), [["rpm", 1], ["tpm", 700]]));
      await first.store.refresh([first.ledger.account("caller:ci")]);
      assert.equal(await admit(second, limitsOf("tpm", 1_000), [["tpm", 400]]), null);
      assert(await admit(second, limitsOf("tpm", 1_000), [["tpm", 300]]));
    }));

  Deno.test(`processes on ${name} tell what others used apart from what they hold`, () =>
    withFleet(async ({ members }) => {
      const [first, second] = members as [Member, Member];
      const limits = limitsOf("day.tokens", 100_000);
      const settled = await admit(first, limits, [["day.tokens", 700]]);
      first.ledger.settle(settled!, { ...NO_CHARGE, calls: 1, tokens: 300 });
      assert(await admit(first, limits, [["day.tokens", 5_000]]));
      const account = second.ledger.account("caller:ci");
      await until(async () => {
        await second.store.refresh([account]);
        const at = second.ledger.moment();
        const [taken, reserved] = [
          account.taken("day.tokens", at),
          account.reserved("day.tokens", at),
        ];
        return taken === 5_300 && reserved === 5_000;
      });
    }));

  Deno.test(`processes on ${name} name the limit that is in the way`, () =>
    withFleet(async ({ members: [first, second] }) => {
      const limits = limitsOf("rpm", 500);
      const of: ScopeLimits = { ...limits, max: { ...limits.max, "month.requests": 2 } };
      const need: Need = [["rpm", 1], ["day.requests", 1], ["month.requests", 1]];
      for (const { ledger } of [first!, second!]) {
        assert.equal(await ledger.take(ledger.open([of]), need), null);
      }
      for (const { ledger } of [first!, second!]) {
        const refusal = await ledger.take(ledger.open([of]), need);
        assert.deepEqual([refusal?.key, refusal?.needed], ["month.requests", 1]);
      }
    }));

  Deno.test(`processes on ${name} whose clocks differ at midnight count in one day`, () =>
    withFleet(async ({ members }) => {
      const [ahead, behind] = members as [Member, Member];
      ahead.skewMs = 86_400_000;
      const limits = limitsOf("day.requests", 10);
      const need: Need = [["day.requests", 1]];
      for (let turn = 0; turn < 5; turn++) assert(await admit(ahead, limits, need));
      for (let turn = 0; turn < 5; turn++) {
        assert(
          await Promise.race([admit(behind, limits, need), after(2_000)]),
          "it waits for ever",
        );
      }
      for (const member of [ahead, behind]) assert.equal(await admit(member, limits, need), null);
      const [{ start }, other] = [ahead, behind].map(({ ledger }) =>
        ledger.account("caller:ci").period("day", ledger.moment())
      ) as [Period, Period];
      assert.equal(other.start, start);
    }));

  Deno.test(`processes on ${name} wait for a store that is locked for a moment`, () =>
    withFleet(async ({ members }, { file }) => {
      const limits = limitsOf("day.requests", 100);
      using database = new DatabaseSync(file);
      database.exec("BEGIN IMMEDIATE");
      const waiting = members.map((member) => admit(member, limits, [["day.requests", 1]]));
      await wait(50);
      database.exec("ROLLBACK");
      assert((await Promise.all(waiting)).every((call) => call !== null));
    }));
}

/** What a process hears of a commit that was done and whose answer got lost. */
const LOST = {
  "never comes": () => Promise.reject(new Error("connection reset")),
  "is that of a second try": () => Promise.resolve<Deno.KvCommitError>({ ok: false }),
};

/** From now on, commits are done and their answers lost; gives what ends that. */
function loseAnswers({ kv }: Member, answer: () => Promise<Deno.KvCommitError>): () => void {
  const atomic = kv.atomic.bind(kv);
  kv.atomic = () => {
    const operation = atomic();
    const commit = operation.commit.bind(operation);
    operation.commit = async () => {
      await commit();
      return await answer();
    };
    return operation;
  };
  return () => kv.atomic = atomic;
}

for (const [name, answer] of Object.entries(LOST)) {
  const withFleet = (work: Work) => runWith(STORES[0]!.open, work);

  Deno.test(`what a process used counts once when the answer of its store ${name}`, () =>
    withFleet(async ({ members }) => {
      const [first, second] = members as [Member, Member];
      const call = await admit(first, limitsOf("day.tokens", 1_000), [["day.tokens", 700]]);
      const find = loseAnswers(first, answer);
      first.ledger.settle(call!, { ...NO_CHARGE, calls: 1, tokens: 300 });
      await first.store.refresh([first.ledger.account("caller:ci")]);
      find();
      await first.store.refresh([first.ledger.account("caller:ci")]);
      const account = second.ledger.account("caller:ci");
      await until(async () => {
        await second.store.refresh([account]);
        return account.reserved("day.tokens", second.ledger.moment()) === 0;
      });
      assert.equal(account.taken("day.tokens", second.ledger.moment()), 300);
    }));

  Deno.test(`what a process gave back is nobody's twice when the answer of its store ${name}`, () =>
    withFleet(async ({ members }) => {
      const [first, second] = members as [Member, Member];
      const limits = limitsOf("concurrent", 1);
      const call = await admit(first, limits, [["concurrent", 1]]);
      const find = loseAnswers(first, answer);
      first.ledger.settle(call!, { ...NO_CHARGE, calls: 1 });
      await until(async () => await admit(second, limits, [["concurrent", 1]]) !== null);
      const again = admit(first, limits, [["concurrent", 1]]);
      assert.equal(await again.catch(() => null), null);
      find();
    }));
}

Deno.test("what a process left is counted once when the answer of its store was lost", async () => {
  using place = makePlace();
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: false });
  const { journalId: slot } = journal.mark();
  const charge = { charged_at: Date.now(), charged_requests: 1, charged_tokens: 300 };
  journal.append(record(1, charge));
  const { files, mark } = journal;
  const { seq } = mark();
  await journal.close();
  using kv = await openKv(place.folder + "/router.kv");
  const leases = createLeaseKv(kv);
  const window = { start: 0, used: 500, seconds: [], slots: { [slot]: [700, 0] as const } };
  await leases.replace(
    "caller:ci",
    { windows: { "lifetime.tokens": window }, seqs: { [slot]: 0 } },
    null,
  );
  let lost = 0;
  const forgetful: LeaseKv = {
    ...leases,
    async replace(...entry) {
      return await leases.replace(...entry) && lost++ > 0;
    },
  };
  await recoverLeases(forgetful, { slot, files, seq });
  const { entry } = await leases.read("caller:ci");
  assert.deepEqual(entry?.windows["lifetime.tokens"], { ...window, used: 800, slots: {} });
});

Deno.test("what is counted while others are reported is reported, too", () =>
  runWith(STORES[0]!.open, async ({ members }) => {
    const [first, second] = members as [Member, Member];
    const of = (id: string) => ({ ...limitsOf("rpm", 0), name: id, id: `caller:${id}` });
    const slow = Promise.withResolvers<void>();
    const get = first.kv.get.bind(first.kv);
    first.kv.get = async (key) => {
      if (key.includes("caller:slow")) await slow.promise;
      return await get(key);
    };
    const count = async (id: string) => {
      const call = await admit(first, of(id), [["day.requests", 1]]);
      first.ledger.settle(call!, { ...NO_CHARGE, calls: 1, requests: 1 });
    };
    await count("slow");
    await until(() => Promise.resolve(first.ledger.changes === 0));
    await count("late");
    slow.resolve();
    const late = second.ledger.account("caller:late");
    await until(async () => {
      await second.store.refresh([late]);
      return late.taken("day.requests", second.ledger.moment()) === 1;
    });
  }));

Deno.test(`shared counters were tried on ${TRIED}`, () => {
  assert(STORES.length > 0);
});

/** Nothing, and too late. */
function after(ms: number): Promise<null> {
  return new Promise((done) => setTimeout(done, ms, null).unref());
}
