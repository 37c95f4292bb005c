import { context, testPolicy } from "@pointsman/sdk/testing";
import { route } from "./data_residency.ts";

const targets = [
  { id: "us", region: "us-east", weight: 100 },
  { id: "de", region: "eu-central", weight: 1 },
  { id: "ie", region: "eu-west", weight: 0 },
];

testPolicy(route, [
  {
    name: "a project without rules may use any region",
    given: context({ targets, caller: { project: "website" } }),
    target: "us",
    classLabel: "residency:free",
  },
  {
    name: "claims stay in Europe, fallbacks too",
    given: context({ targets, caller: { project: "claims" } }),
    target: "de",
    fallbacks: ["ie"],
    classLabel: "residency:claims",
  },
  {
    name: "payroll has one region and no fallback",
    given: context({ targets, caller: { project: "payroll" } }),
    target: "de",
    fallbacks: [],
  },
  {
    name: "payroll is refused when its region is not there",
    given: context({ targets: [targets[0]!], caller: { project: "payroll" } }),
    fault: "policy-threw",
  },
  {
    name: "a target without region is no European one",
    given: context({ targets: [{ id: "somewhere" }], caller: { project: "claims" } }),
    fault: "policy-threw",
  },
]);
