import { context, testPolicy } from "@pointsman/sdk/testing";
import { route } from "./budget_pressure.ts";

const targets = [
  { id: "large", weight: 80, prices: { input: 5e9, output: 25e9 } },
  { id: "small", weight: 20, tags: ["economy"], prices: { input: 1e8, output: 4e8 } },
];

testPolicy(route, [
  {
    name: "without pressure the weights decide",
    given: context({ targets, budget: { pressure: 0.5 } }),
    target: "large",
    fallbacks: ["small"],
    classLabel: "budget:normal",
  },
  {
    name: "from four fifths on the cheaper target is preferred",
    given: context({ targets, budget: { pressure: 0.8 } }),
    target: "small",
    fallbacks: ["large"],
    classLabel: "budget:tight",
  },
  {
    name: "near the end nothing dear is tried any more",
    given: context({ targets, budget: { pressure: 0.97 } }),
    target: "small",
    fallbacks: [],
    classLabel: "budget:last",
  },
  {
    name: "near the end a group without cheap targets still serves",
    given: context({ targets: [targets[0]!], budget: { pressure: 1.2 } }),
    target: "large",
  },
]);
