import { context, testPolicy } from "@pointsman/sdk/testing";
import { route } from "./latency_sticky.ts";

const observed = (p50TtfbMs: number, more: object = {}) => ({
  signals: { observations: 100, p50TtfbMs, errorRate: 0, ...more },
});
const key = (first: number) => `ck_${first.toString(16).padStart(8, "0")}${"0".repeat(24)}`;
const targets = [
  { id: "slow", ...observed(900) },
  { id: "quick", ...observed(400) },
  { id: "good", ...observed(500) },
];
const several = { turnCount: 3 };

testPolicy(route, [
  {
    name: "a first turn goes where the first word comes soonest",
    given: context({ targets, conversationKey: key(2) }),
    target: "quick",
    fallbacks: ["good", "slow"],
    classLabel: "latency:fastest",
  },
  {
    name: "a later turn stays with its conversation's target",
    given: context({ targets, conversationKey: key(2), features: several }),
    target: "good",
    fallbacks: ["quick", "slow"],
    classLabel: "latency:sticky",
  },
  {
    name: "a conversation leaves a target that has become too slow",
    given: context({ targets, conversationKey: key(0), features: several }),
    target: "quick",
  },
  {
    name: "a target that fails is not tried at all",
    given: context({
      targets: [{ id: "failing", ...observed(10, { errorRate: 0.5 }) }, targets[0]!],
    }),
    target: "slow",
    fallbacks: [],
  },
  {
    name: "when all fail, the quickest is tried first",
    given: context({
      targets: [
        { id: "open", ...observed(20, { breaker: "open" }) },
        { id: "limited", ...observed(10, { backoffUntil: 1 }) },
      ],
    }),
    target: "limited",
    fallbacks: ["open"],
  },
  {
    name: "a target without observations gets its turn",
    given: context({ targets: [targets[1]!, { id: "unknown" }] }),
    target: "unknown",
  },
]);
