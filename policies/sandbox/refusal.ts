import type { Bundle, BundleFlaw } from "./bundle.ts";
import type { HostAnswer } from "./policy_host.ts";
import { LOAD_TIMEOUT_MS } from "./messages.ts";
import { flawOf } from "./source_position.ts";

/** Why a bundle that was made cannot be used: what its top level did. */
export function refusalOf(answer: HostAnswer, bundle: Bundle, path: string): BundleFlaw {
  const nowhere = (message: string) => ({
    file: path,
    line: 0,
    column: 0,
    message,
    kind: "broken" as const,
  });
  if (answer.kind !== "fault") return nowhere("the policy host did not start");
  switch (answer.fault) {
    case "policy-threw":
      return answer.detail === ""
        ? nowhere("the top level fails")
        : flawOf(bundle, answer.detail, path);
    case "policy-timeout":
      return nowhere(`the top level does not end within ${LOAD_TIMEOUT_MS} ms`);
    case "policy-output-invalid":
      return nowhere('there is no function "route" among the exports');
    default:
      return nowhere(`the top level ends its process: ${answer.fault}`);
  }
}
