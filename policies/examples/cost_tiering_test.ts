import { context, testPolicy } from "@pointsman/sdk/testing";
import { route } from "./cost_tiering.ts";

const targets = [
  { id: "large", tags: ["premium"], prices: { input: 5e9, output: 25e9 } },
  { id: "middle", tags: ["standard"], prices: { input: 1e9, output: 4e9 } },
  { id: "small", tags: ["economy"], prices: { input: 2e8, output: 8e8 } },
  { id: "smaller", tags: ["economy"], prices: { input: 1e8, output: 4e8 } },
];

testPolicy(route, [
  {
    name: "a short question goes to the cheapest small model",
    given: context({ targets, features: { complexity: "trivial" } }),
    target: "smaller",
    fallbacks: ["small", "middle", "large"],
    classLabel: "tier:economy",
  },
  {
    name: "an agent in the middle of its work gets a tier more",
    given: context({ targets, features: { complexity: "standard", hasToolResults: true } }),
    target: "middle",
    fallbacks: ["large", "smaller", "small"],
  },
  {
    name: "the hardest tasks go to the largest model",
    given: context({ targets, features: { complexity: "extreme" } }),
    target: "large",
    fallbacks: ["middle", "smaller", "small"],
    classLabel: "tier:premium",
  },
  {
    name: "a target without prices comes after those with them",
    given: context({ targets: [{ id: "unpriced", tags: ["economy"] }, targets[2]!] }),
    target: "small",
  },
]);
