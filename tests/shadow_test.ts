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
