import { join } from "node:path";
import { parseJson } from "../core/parse_json.ts";
import { ENGINE } from "../core/telemetry/engine.ts";
import type { BundleFlaw } from "./sandbox/bundle.ts";
import { faultOf } from "./sandbox/policy_host.ts";
import type { SandboxedPolicy } from "./sandboxed_policy.ts";
import type { Fixture } from "./sdk/fixture.ts";
import {
  type CaseOutcome,
  differences,
  outcomeOf,
  type PolicyCase,
  type ReadCase,
  readCase,
} from "./sdk/policy_case.ts";

/** Which cases run, and what becomes of them. */
export interface CaseOptions {
  /** Text that the names of cases hold. */
  readonly filter: string;
  /** Folder of the file of cases: fixtures are beside it. */
  readonly folder: string;
  /** Whether fixtures are written anew with what comes out now. */
  readonly update: boolean;
}

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
 * @throws what the system says of a fixture that cannot be read
 */
export async function runCases(
  policy: SandboxedPolicy,
  collected: string,
  { filter, folder, update }: CaseOptions,
): Promise<readonly CaseResult[]> {
  const cases = collected.split("\n").filter((line) => line.startsWith("["))
    .flatMap((line): readonly PolicyCase[] => parseJson(line));
  const results: CaseResult[] = [];
  for (const stated of cases) {
    if (!stated.name.includes(filter)) continue;
    const read = (path: string) => Deno.readTextFileSync(join(folder, path));
    let policyCase = readCase(stated, read);
    const outcome = await outcomeIn(policy, policyCase);
    if (update && stated.fixture !== undefined && "json" in outcome) {
      const recorded = updated(policyCase, outcome, policy);
      if (recorded) writeFixture(join(folder, stated.fixture), recorded);
      policyCase = { ...policyCase, recorded };
    }
    results.push({ name: stated.name, differences: differences(outcome, policyCase) });
  }
  return results;
}

async function outcomeIn(policy: SandboxedPolicy, { given }: ReadCase): Promise<CaseOutcome> {
  const answer = await policy.decide(given);
  if (answer.kind === "plan") return outcomeOf(parseJson(answer.text), given);
  if (answer.kind === "lost") return { fault: faultOf(answer), why: null };
  return { fault: answer.fault, why: whyOf(policy.explain(answer)) };
}

/** What a policy threw, and where in its sources; `null`: nothing. */
function whyOf({ file, line, column, message }: BundleFlaw): string | null {
  if (message === "") return null;
  return line === 0 ? message : `${message} at ${file}:${line}:${column}`;
}

function updated(
  { recorded }: ReadCase,
  { json }: CaseOutcome & { readonly json: string },
  { bundle }: SandboxedPolicy,
): Fixture | null {
  if (recorded === null || JSON.stringify(recorded.plan) === json) return recorded;
  return { ...recorded, plan: parseJson(json), policyDigest: bundle.digest, engine: ENGINE };
}

/** Writes a fixture as the formatter of Deno leaves it. */
export function writeFixture(path: string, fixture: Fixture): void {
  Deno.writeTextFileSync(path, `${JSON.stringify(fixture, null, 2)}\n`);
}
