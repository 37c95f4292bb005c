import type { Command } from "commander";
import { dirname } from "node:path";
import { ExitError, type World } from "../../core/command.ts";
import { collectCases } from "../author_tools.ts";
import { type CaseResult, runCases, testFiles } from "../test_cases.ts";
import { alone, EXIT, EXITS, open, readable } from "./exit.ts";

interface TestOptions {
  readonly filter?: string;
  readonly update?: true;
  readonly json?: true;
}

/** `policy test`: the cases of `testPolicy`, in the sandbox. */
export function addTest(policy: Command, world: World): void {
  policy.command("test")
    .argument("[path]", "a file of cases, or a folder with such files", ".")
    .description("decide on the cases of testPolicy in the sandbox of the gateway")
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
      const files = testFiles(readable(path));
      if (files.length === 0) {
        throw new ExitError(EXIT.unreadable, `Cannot find cases in "${path}"`);
      }
      const results: CaseResult[] = [];
      for (const file of files) results.push(...await testFile(file, options));
      const failed = results.filter(({ differences }) => differences.length > 0);
      world.print(options.json ? JSON.stringify(results) : results.map(caseLine).join("\n"));
      if (!options.json) {
        world.print(`${results.length - failed.length} passed, ${failed.length} failed`);
      }
      if (failed.length > 0) throw new ExitError(EXIT.failed);
    });
}

async function testFile(
  file: string,
  { filter = "", update }: TestOptions,
): Promise<readonly CaseResult[]> {
  await using opened = await open(alone(file.replace(/_test\.ts$/, ".ts")));
  const collected = await collectCases(file);
  if (!collected.ok) throw new ExitError(EXIT.failed, collected.stderr.trim());
  try {
    const folder = dirname(file);
    return await runCases(opened, collected.stdout, { filter, folder, update: update === true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ExitError(EXIT.unreadable, `Cannot run the cases of "${file}": ${reason}`);
  }
}

function caseLine({ name, differences }: CaseResult): string {
  return [`${differences.length === 0 ? "ok" : "FAILED"}  ${name}`, ...differences].join(
    "\n        ",
  );
}
