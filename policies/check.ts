import { parseJson } from "../core/parse_json.ts";
import { sampleContexts } from "./sample_contexts.ts";
import type { BundleFlaw } from "./sandbox/bundle.ts";
import { faultOf, type HostAnswer } from "./sandbox/policy_host.ts";
import type { SandboxedPolicy } from "./sandboxed_policy.ts";
import { outcomeOf } from "./sdk/policy_case.ts";

/** What the sample contexts showed of a policy; times in us, sandbox and back. */
export interface PolicyCheck {
  readonly contexts: number;
  readonly decided: number;
  readonly repeated: number;
  readonly same: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the heap, when all is decided; `null`: the process is gone. */
  readonly heapBytes: number | null;
  /** Each `host:port` that it asked and is not granted. */
  readonly ungranted: readonly string[];
  /** Each once. */
  readonly faults: readonly BundleFlaw[];
}

const CONTEXTS = 32;
const REPEATED = 100;

/** Decides on sample contexts, and twice on more of them in two orders. */
export async function checkPolicy(policy: SandboxedPolicy): Promise<PolicyCheck> {
  const faults = new Map<string, BundleFlaw>();
  let decided = 0;
  for (const context of sampleContexts(CONTEXTS)) {
    const answer = await policy.decide(context);
    const flaw = flawIn(policy, answer, context);
    if (flaw) faults.set(JSON.stringify(flaw), flaw);
    else decided += 1;
  }
  const contexts = sampleContexts(REPEATED);
  const times: number[] = [];
  const decide = async (context: typeof contexts[number]) => {
    const started = performance.now();
    const answer = await policy.decide(context);
    times.push((performance.now() - started) * 1_000);
    return JSON.stringify(answer);
  };
  const first: string[] = [];
  for (const context of contexts) first.push(await decide(context));
  const second: string[] = [];
  for (const context of contexts.toReversed()) second.push(await decide(context));
  second.reverse();
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.floor(share * (times.length - 1))] ?? 0);
  return {
    contexts: CONTEXTS,
    decided,
    repeated: REPEATED,
    same: first.filter((answer, index) => answer === second[index]).length,
    p50Us: at(0.5),
    p99Us: at(0.99),
    heapBytes: await policy.heapBytes(),
    ungranted: [...policy.ungranted].sort(),
    faults: [...faults.values()],
  };
}

function flawIn(
  policy: SandboxedPolicy,
  answer: HostAnswer,
  context: Parameters<SandboxedPolicy["decide"]>[0],
): BundleFlaw | null {
  const flaw = (fault: string, why: string | null, detail = ""): BundleFlaw => {
    const { message, ...place } = policy.explain({ detail });
    const told = why ?? message;
    return { ...place, message: told === "" ? fault : `${fault}: ${told}` };
  };
  if (answer.kind === "lost") return flaw(faultOf(answer), null);
  if (answer.kind === "fault") return flaw(answer.fault, null, answer.detail);
  const outcome = outcomeOf(parseJson(answer.text), context);
  return "fault" in outcome ? flaw(outcome.fault, outcome.why) : null;
}
