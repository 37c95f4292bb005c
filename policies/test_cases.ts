import { join } from "node:path";
import type { SandboxedPolicy } from "./sandboxed_policy.ts";
import { differences, outcomeOf, type PolicyCase } from "./sdk/policy_case.ts";

/** A case, and how its outcome in the sandbox differs from what it states. */
export interface CaseResult {
  readonly name: string;
  readonly differences: readonly string[];
}

/** Files of cases below a path, sorted: `<policy>_test.ts` beside `<policy>.ts`. */
export function testFiles(path: string): readonly string[] {
  if (Deno.statSync(path).isFile) return path.endsWith("_test.ts") ? [path] : [];
  return [...Deno.readDirSync(path)].toSorted((a, b) => a.name < b.name ? -1 : 1)
    .filter(({ name }) => name !== "node_modules" && !name.startsWith("."))
    .flatMap(({ name, isDirectory }) =>
      isDirectory || name.endsWith("_test.ts") ? testFiles(join(path, name)) : []
    );
}

/**
 * Decides on cases in the sandbox.
 *
 * @param collected lists of cases, one a line, as JSON
 * @param filter text that the names of cases hold
 */
export async function runCases(
  policy: SandboxedPolicy,
  collected: string,
  filter: string,
): Promise<readonly CaseResult[]> {
  const cases = collected.split("\n").filter((line) => line.startsWith("["))
    .flatMap((line): readonly PolicyCase[] => JSON.parse(line));
  const results: CaseResult[] = [];
  for (const policyCase of cases) {
    if (!policyCase.name.includes(filter)) continue;
    results.push({ name: policyCase.name, differences: await runCase(policy, policyCase) });
  }
  return results;
}

async function runCase(policy: SandboxedPolicy, expected: PolicyCase): Promise<readonly string[]> {
  const answer = await policy.decide(expected.given);
  const outcome = answer.kind === "plan"
    ? outcomeOf(JSON.parse(answer.text), expected.given)
    : { fault: answer.kind === "fault" ? answer.fault : "policy-unavailable" };
  return differences(outcome, expected);
}
