import assert from "node:assert/strict";
import type { DecisionRecord } from "@/core/record.ts";
import { Shadows } from "@/core/shadow.ts";
import type { Decide } from "@/core/strategy.ts";
import { contextOf, groupOf, targetOf } from "./builders.ts";

/** Shadows of groups by their names, as many decisions as their queues take. */
function shadowsOf(deciders: Readonly<Record<string, Decide>>, maxQueue: number) {
  const told: DecisionRecord[] = [];
  let more = Promise.withResolvers<void>();
  const shadows = new Shadows({
    appendDecision(record) {
      told.push(record);
      more.resolve();
      more = Promise.withResolvers();
    },
  });
  return {
    shadows,
    offer(name: string) {
      const side = { name: `${name} shadow`, strategy: "script", policy: null, findings: null };
      const shadow = { ...side, samplePercent: 100, maxQueue, decide: deciders[name]! };
      const group = groupOf({ name, shadow });
      const context = contextOf([targetOf()], { group: name });
      const checked = { order: [0], classLabel: null };
      shadows.offer({ group, context, checked }, () => context);
    },
    async told(count: number) {
      while (told.length < count) await more.promise;
      return told;
    },
  };
}

Deno.test("shadows of a group keep none of another group waiting, and take none of its places", async () => {
  const gate = Promise.withResolvers<void>();
  const slow: Decide = async () => {
    await gate.promise;
    return { targetIndex: 0 };
  };
  const { shadows, offer, told } = shadowsOf({ slow, quick: () => ({ targetIndex: 0 }) }, 8);
  for (let made = 0; made < 30; made++) offer("slow");
  for (let made = 0; made < 8; made++) offer("quick");
  await told(8);
  assert.equal(shadows.counts.get("quick")?.same, 8);
  assert.equal(shadows.counts.get("quick")?.dropped, 0);
  assert.equal(shadows.counts.get("slow")?.dropped, 22, "its own queue takes eight");
  gate.resolve();
  await told(16);
  assert.equal(shadows.counts.get("slow")?.same, 8);
});

Deno.test("what a shadow would have cost is a whole number, as its column holds no other", async () => {
  const rows: unknown[] = [];
  const done = Promise.withResolvers<void>();
  const shadows = new Shadows({
    appendDecision(record) {
      rows.push(...record.rows["request_shadow_results"]!);
      done.resolve();
    },
  });
  const side = { name: "aside", strategy: "script", policy: null, findings: null };
  const shadow = { ...side, samplePercent: 100, maxQueue: 1, decide: () => ({ targetIndex: 0 }) };
  const context = contextOf([targetOf({ prices: { input: 1_234_567n, output: 1n } })]);
  const checked = { order: [0], classLabel: null };
  shadows.offer({ group: groupOf({ shadow }), context, checked }, () => context);
  await done.promise;
  const [{ shadow_cost_nusd, served_cost_nusd }] = rows as [Record<string, unknown>];
  assert(Number.isSafeInteger(shadow_cost_nusd), String(shadow_cost_nusd));
  assert.equal(shadow_cost_nusd, served_cost_nusd);
});
