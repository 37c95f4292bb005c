import type { Command } from "commander";
import { dirname } from "node:path";
import { ExitError, type World } from "../../core/command.ts";
import { messageOf } from "../../core/thrown.ts";
import { collectCases } from "../author_tools.ts";
import { type CaseResult, runCases, testFiles } from "../test_cases.ts";
import type { SandboxedPolicy, TriedPolicy } from "../sandboxed_policy.ts";
import { grantLines, type PolicyConfig, servingPolicy } from "./configured.ts";
import { alone, EXIT, EXITS, open, present, readable } from "./exit.ts";

interface TestOptions {
  readonly config?: string;
  readonly group?: string;
  readonly filter?: string;
  readonly update?: true;
  readonly json?: true;
}

/** `policy test`: the cases of `testPolicy`, in the sandbox. */
export function addTest(policy: Command, world: World, config: PolicyConfig): void {
  policy.command("test")
    .argument("[path]", "a file of cases, or a folder with such files", ".")
    .description("decide on the cases of testPolicy in the sandbox of the gateway")
    .option("--config <path>", "with the limits, grants and keys of the group that has the policy")
    .option("--group <name>", "of this group")
    .option("--filter <text>", "only cases whose names hold this text")
    .option("--update", "write fixtures anew with what the policy decides now")
    .option("--json", "print the results as JSON")
    .addHelpText(
      "after",
      `
The cases of by_size_test.ts are those of the policy by_size.ts beside it.
${EXITS}

Example:
  pointsman policy test policies/`,
    )
    .action(async (path: string, options: TestOptions) => {
      const files = testFiles(present(path));
      if (files.length === 0) throw noCases(path);
      const results: CaseResult[] = [];
      const configured = options.config !== undefined || options.group !== undefined;
      const settings = configured ? config(options.config) : null;
      for (const file of files) {
        const source = readable(file.replace(/_test\.ts$/, ".ts"));
        const tried = settings ? servingPolicy(settings, source, options.group) : alone(source);
        results.push(...await testFile(file, tried, options));
      }
      if (results.length === 0) throw noCases(path, options.filter);
      const failed = results.filter(({ differences }) => differences.length > 0);
      world.print(options.json ? JSON.stringify(results) : results.map(caseLine).join("\n"));
      if (!options.json) {
        world.print(`${results.length - failed.length} passed, ${failed.length} failed`);
      }
      if (failed.length > 0) throw new ExitError(EXIT.failed);
    });
}

function noCases(path: string, filter?: string): ExitError {
  const where = `in "${path}"`;
  return filter === undefined
    ? new ExitError(EXIT.unreadable, `Cannot find cases ${where}`)
    : new ExitError(2, `Cannot find a case ${where} whose name holds "${filter}"`);
}

async function testFile(
  file: string,
  tried: TriedPolicy,
  { filter = "", update }: TestOptions,
): Promise<readonly CaseResult[]> {
  await using opened = await open(tried);
  const collected = await collectCases(file);
  if (!collected.ok) throw new ExitError(EXIT.failed, collected.stderr);
  try {
    const folder = dirname(file);
    const cases = { filter, folder, update: update === true };
    const results = await runCases(opened, collected.stdout, cases);
    return results.map((result) => withGrants(result, opened));
  } catch (error) {
    const reason = messageOf(error);
    throw new ExitError(EXIT.unreadable, `Cannot run the cases of "${file}": ${reason}`);
  }
}

/** A case that went wrong says what its policy asked and is not granted. */
function withGrants({ name, differences }: CaseResult, { ungranted }: SandboxedPolicy): CaseResult {
  const lines = differences.length > 0 ? grantLines(ungranted) : [];
  return { name, differences: [...differences, ...lines] };
}

function caseLine({ name, differences }: CaseResult): string {
  return [`${differences.length === 0 ? "ok" : "FAILED"}  ${name}`, ...differences].join(
    "\n        ",
  );
}
