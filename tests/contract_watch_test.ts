import assert from "node:assert/strict";
import { ContractWatch } from "@/core/contract_watch.ts";
import { createLog } from "@/core/log.ts";
import type { Group } from "@/core/snapshot.ts";
import { CONTRACT, groupOf, NOW, targetOf } from "./builders.ts";

const DAY = 86_400_000;
const VALIDATED = NOW - 20 * DAY;

const evaluated = (id: string, validatedAt: number) =>
  targetOf({
    id,
    validation: { status: "passed", workload: "", validatedAt, qualityScore: null, passRate: null },
  });

/** A group whose evaluations hold for thirty days; `old` was evaluated ten days before `young`. */
function watched(serveExpired = false): Group {
  const floor = { ...CONTRACT.floor, maxAgeDays: 30 };
  return groupOf({
    contract: { ...CONTRACT, floor, serveExpired },
    targets: [evaluated("old", VALIDATED), evaluated("young", VALIDATED + 10 * DAY)],
  });
}

/** Moves from day to day, and gives what was said on each: event, target, days left. */
function daysOf(group: Group) {
  let now = NOW;
  let said: string[] = [];
  const log = createLog({ level: "info", format: "json" }, {
    now: () => now,
    line: (text) => said.push(text),
  });
  const watch = new ContractWatch({ log, now: () => now, groups: () => [group] });
  return {
    [Symbol.dispose]: () => watch[Symbol.dispose](),
    on(day: number, hour = 0): unknown[] {
      now = NOW + day * DAY + hour * 3_600_000;
      watch.look();
      const lines = said.map((text) => JSON.parse(text));
      said = [];
      return lines.map(({ level, event, target, days_left: left }) =>
        [level, event, target, left].filter((value) => value !== undefined)
      );
    },
  };
}

Deno.test("contract watch warns once a day of each target that grows too old", () => {
  using days = daysOf(watched());
  assert.deepEqual(days.on(3), [], "eight days are left");
  const warned = [["warn", "contract_expiring", "old", 6]];
  assert.deepEqual(days.on(5), warned);
  assert.deepEqual(days.on(5, 11), []);
  assert.deepEqual(days.on(6), [["warn", "contract_expiring", "old", 5]]);
  assert.deepEqual(days.on(11, -0.001), [["warn", "contract_expiring", "old", 0]]);
  assert.deepEqual(days.on(11), [["warn", "contract_expired", "old"]]);
});

Deno.test("contract watch tells a group without a target that keeps its contract by an error", () => {
  using days = daysOf(watched());
  const expired = [["warn", "contract_expired", "old"], ["warn", "contract_expired", "young"]];
  const none = ["error", "contract_expired"];
  assert.deepEqual(days.on(21), [...expired, none]);
  assert.deepEqual(days.on(21, 1), []);
  assert.deepEqual(days.on(22), [...expired, none]);
  using lenient = daysOf(watched(true));
  assert.deepEqual(lenient.on(21), expired, "they serve all the same");
});
