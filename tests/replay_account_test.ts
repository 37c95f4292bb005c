import assert from "node:assert/strict";
import { ReplayAccount } from "@/policies/replay/account.ts";
import {
  type CallOutcome,
  type CandidateOutcome,
  packCalls,
  unpackCalls,
} from "@/policies/replay/page_outcome.ts";

const cost = (input: number, cached_input: number) => ({
  input,
  cached_input,
  cache_write: 0,
  output: 5,
  image: 0,
});

const CACHED = cost(10, 1);
const UNCACHED = cost(30, 0);

/** A call of a conversation that was served by one target, and would have been by another one. */
function call(target: string, other: string, changes: Partial<CallOutcome> = {}): CallOutcome {
  const candidate: CandidateOutcome = {
    target: other,
    cached: CACHED,
    uncached: UNCACHED,
    latencyMs: { p50: 10, p95: -20 },
    fault: false,
  };
  return {
    group: "general",
    caller: "ci",
    conversation: "ck_1",
    latencyMs: 100,
    hasCached: true,
    target,
    cost: CACHED,
    candidate,
    ...changes,
  };
}

const TURNS: readonly (readonly [string, readonly (readonly [string, string])[], boolean])[] = [
  ["the first turn where the candidate does what was done", [["a", "a"]], true],
  ["the first turn at another target", [["a", "b"]], false],
  ["a turn at the target of the candidate's last turn", [["a", "b"], ["a", "b"]], true],
  ["a turn back at the target that served, after another one", [["a", "b"], ["a", "a"]], false],
  ["a turn that moves as it did then", [["a", "a"], ["b", "b"]], true],
  ["a turn that moves where nothing moved then", [["a", "a"], ["a", "b"]], false],
];

for (const [name, turns, stays] of TURNS) {
  Deno.test(`replay ${stays ? "keeps" : "does not keep"} the cached tokens of ${name}`, () => {
    const account = new ReplayAccount();
    for (const [served, candidate] of turns.slice(0, -1)) account.add(call(served, candidate));
    const before = account.total.candidate.nusd.cached_input;
    account.add(call(...turns.at(-1)!));
    assert.equal(account.total.candidate.nusd.cached_input - before, stays ? 1n : 0n);
  });
}

Deno.test("replay knows no earlier turn of a call without a conversation", () => {
  const account = new ReplayAccount();
  account.add(call("a", "b", { conversation: null }));
  account.add(call("a", "b", { conversation: null }));
  assert.equal(account.total.candidate.nusd.cached_input, 0n);
});

Deno.test("replay leaves a call without a price out of both sides", () => {
  const account = new ReplayAccount();
  account.add(call("a", "a", { cost: null }));
  const { candidate } = call("a", "b");
  account.add(call("a", "b", { candidate: { ...candidate!, uncached: null } }));
  assert.equal(account.unpriced, 2);
  assert.deepEqual(account.total.served.nusd, account.total.candidate.nusd);
  assert.equal(account.total.served.nusd.input, 0n);
  assert.equal(account.total.served.calls, 2);
});

Deno.test("replay packs calls and reads them again", () => {
  const calls = [
    call("a", "b"),
    call("a", "b", { candidate: null, conversation: null, hasCached: false }),
    call("b", "a", { cost: null, target: null }),
    call("b", "a", {
      candidate: { target: null, cached: null, uncached: null, latencyMs: null, fault: true },
    }),
  ];
  assert.deepEqual([...unpackCalls(packCalls(calls))], calls);
});
