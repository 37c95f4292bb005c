import { context, testPolicy } from "@pointsman/sdk/testing";
import { route } from "./canary.ts";

const targets = [{ id: "old" }, { id: "new", tags: ["canary"] }];
const key = (first: number) => `ck_${first.toString(16).padStart(8, "0")}${"0".repeat(24)}`;

testPolicy(route, [
  {
    name: "a conversation below the share tries the new model, then the old one",
    given: context({ targets, conversationKey: key(9) }),
    target: "new",
    fallbacks: ["old"],
    classLabel: "canary:new",
  },
  {
    name: "a conversation above the share stays with the old model",
    given: context({ targets, conversationKey: key(10) }),
    target: "old",
    fallbacks: ["new"],
  },
  {
    name: "a call without conversation stays with the old model",
    given: context({ targets, conversationKey: null }),
    target: "old",
    classLabel: "canary:old",
  },
  {
    name: "a canary that cannot take the request does not matter",
    given: context({ targets: [targets[0]!], conversationKey: key(9) }),
    target: "old",
  },
]);
