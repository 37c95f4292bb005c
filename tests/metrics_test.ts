import assert from "node:assert/strict";
import { Buckets } from "@/plugins/metrics/buckets.ts";
import { callerCounter } from "@/plugins/metrics/callers.ts";
import { createExposition } from "@/plugins/metrics/exposition.ts";
import { SeriesBudget } from "@/plugins/metrics/series.ts";
import type { Call, Settlement } from "@/core/call.ts";
import { callerOf, credentialOf } from "./builders.ts";
import { parseExposition, sumOf } from "./exposition.ts";

Deno.test("buckets count an observation at its bound and in all above", () => {
  const buckets = new Buckets([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 5, 6]) buckets.observe(value);
  assert.deepEqual(buckets.cumulative(), [2, 4, 5, 6]);
  assert.equal(buckets.sum, 15.5);
});

Deno.test("exposition writes labels so that they read back, whatever they hold", async () => {
  const exposition = createExposition();
  const values = ['a"b', "a\\b", "a\nb", "ä,b}", "", "a\\nb"];
  const family = exposition.counter({ name: "calls_total", help: "Line\none.", labels: ["name"] });
  for (const [index, value] of values.entries()) family.at(value).value += index + 1;
  const { samples } = parseExposition((await exposition.page()).text).get("pointsman_calls_total")!;
  assert.deepEqual(samples.map(({ labels, value }) => [labels["name"], value]), [
    ...values.map((value, index) => [value, index + 1]),
  ]);
});

Deno.test("exposition writes histograms that add up", async () => {
  const exposition = createExposition();
  const family = exposition.histogram({ name: "time_seconds", help: "Time.", labels: ["a"] }, [
    1,
    2,
  ]);
  for (const value of [0.5, 1.5, 9]) family.at("x").observe(value);
  const families = parseExposition((await exposition.page()).text);
  const at = (le: string) => sumOf(families, "pointsman_time_seconds_bucket", { a: "x", le });
  assert.deepEqual([at("1"), at("2"), at("+Inf")], [1, 2, 3]);
  assert.equal(sumOf(families, "pointsman_time_seconds_sum"), 11);
  assert.equal(sumOf(families, "pointsman_time_seconds_count"), 3);
});

Deno.test("series past the budget fold into other, and are counted", async () => {
  const exposition = createExposition(new SeriesBudget(10));
  const times = exposition.histogram({ name: "time_seconds", help: "Time.", labels: ["a"] }, [1]);
  const calls = exposition.counter({ name: "calls_total", help: "Calls.", labels: ["a", "b"] });
  times.at("first").observe(1); // takes 4 of the 10
  for (let index = 0; index < 10_000; index++) calls.at(`a${index}`, "b").value += 1;
  times.at("second").observe(1);
  calls.at("a1", "b").value += 1;
  const families = parseExposition((await exposition.page()).text);
  assert.equal(families.get("pointsman_calls_total")?.samples.length, 6 + 1);
  assert.equal(sumOf(families, "pointsman_calls_total"), 10_001);
  assert.equal(sumOf(families, "pointsman_calls_total", { a: "other", b: "other" }), 9_994);
  assert.equal(sumOf(families, "pointsman_time_seconds_count", { a: "other" }), 1);
  assert.equal(sumOf(families, "pointsman_metrics_folded_series_total"), 9_995);
});

/** What a caller counter reads of a call. */
function callOf(id: string): [Call, Settlement] {
  const credential = credentialOf("rtr_pointsman_somebody", { caller: callerOf({ id }) });
  const usage = {
    input: 3,
    output: 2,
    cachedInput: 0,
    cacheWrite: 0,
    image: null,
    reasoning: null,
  };
  const cost = {
    input: 0n,
    cachedInput: 0n,
    cacheWrite: 0n,
    output: 0n,
    image: 0n,
    total: 500_000n,
  };
  return [{ credential } as Call, { usage: { ...usage, source: "upstream" }, cost } as Settlement];
}

Deno.test("busiest callers have series of their own, the rest share one, and none ever falls", async () => {
  const exposition = createExposition();
  const counter = callerCounter(exposition, 2);
  const call = (id: string, times: number) => {
    for (let count = 0; count < times; count++) counter.count(...callOf(id));
  };
  const read = async () => {
    counter.choose();
    const families = parseExposition((await exposition.page()).text);
    const { samples } = families.get("pointsman_caller_requests_total")!;
    assert.equal(sumOf(families, "pointsman_caller_tokens_total") % 5, 0);
    const all = sumOf(families, "pointsman_caller_requests_total");
    assert.equal(sumOf(families, "pointsman_caller_cost_usd_total"), all * 0.0005);
    return Object.fromEntries(samples.map(({ labels, value }) => [labels["caller"], value]));
  };
  call("ada", 5);
  call("bob", 3);
  assert.deepEqual(await read(), { ada: 5, bob: 3 });
  call("eve", 4);
  assert.deepEqual(await read(), { ada: 5, other: 4 });
  call("eve", 1);
  call("bob", 1);
  assert.deepEqual(await read(), { ada: 5, eve: 1, other: 5 });
});
