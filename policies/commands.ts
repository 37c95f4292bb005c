import type { Command } from "commander";
import { join } from "node:path";
import { type AddCommands, ExitError, type World } from "../core/command.ts";
import { canonicalJson } from "../core/config/canonical.ts";
import { hash } from "node:crypto";
import deno from "../deno.json" with { type: "json" };
import { checkTypes, collectCases } from "./author_tools.ts";
import { checkPolicy, type PolicyCheck } from "./check.ts";
import type { Bundle } from "./sandbox/bundle.ts";
import { EXIT, EXITS, flawLines, open, readable } from "./commands/exit.ts";
import { addReplay, type RecordServices } from "./commands/replay.ts";
import type { SandboxedPolicy } from "./sandboxed_policy.ts";
import { type CaseResult, runCases, testFiles } from "./test_cases.ts";

/** `policy check`, `test`, `build` and `replay`. */
export function policyCommands(records: RecordServices): AddCommands {
  return (program, world) => {
    const policy = program.command("policy").description("write, try and build routing policies");
    addCheck(policy, world);
    addTest(policy, world);
    addBuild(policy, world);
    addReplay(policy, world, records);
  };
}

interface JsonOption {
  readonly json?: true;
}

function addCheck(policy: Command, world: World): void {
  policy.command("check")
    .argument("<file>", "the policy")
    .description("check types, bundle, and decide on sample contexts in the sandbox")
    .option("--json", "print the result as JSON")
    .addHelpText("after", `${EXITS}\n\nExample:\n  pointsman policy check policies/by_size.ts`)
    .action(async (file: string, { json }: JsonOption) => {
      const types = await checkTypes(readable(file));
      if (!types.ok) throw new ExitError(EXIT.failed, types.stderr.trim());
      await using opened = await open(file);
      const result = await checkPolicy(opened);
      world.print(json ? JSON.stringify(resultJson(opened, result)) : report(file, opened, result));
      if (result.faults.length > 0) throw new ExitError(EXIT.fault, flawLines(result.faults));
      if (result.same < result.repeated) {
        throw new ExitError(EXIT.failed, `${file}: the same context gave another plan`);
      }
    });
}

function report(file: string, { bundle }: SandboxedPolicy, result: PolicyCheck): string {
  const ok = result.faults.length === 0 && result.same === result.repeated;
  return [
    headline(file, bundle),
    [
      `warm ${result.decided}/${result.contexts}`,
      `deterministic ${result.same}/${result.repeated}`,
      `p50 ${result.p50Us} us`,
      `p99 ${result.p99Us} us`,
      ok ? "ok" : "failed",
    ].join("  "),
  ].join("\n");
}

function headline(file: string, { bytes, digest }: Bundle): string {
  const size = `${(bytes / 1_000).toFixed(1)} kB`;
  return `${file}  contract 1  ${size}  sha256:${digest.slice(0, 12)}  net: none`;
}

function resultJson({ bundle }: SandboxedPolicy, { faults, ...numbers }: PolicyCheck): object {
  return { digest: bundle.digest, bytes: bundle.bytes, ...numbers, faults };
}

function addTest(policy: Command, world: World): void {
  policy.command("test")
    .argument("[path]", "a file of cases, or a folder with such files", ".")
    .description("decide on the cases of testPolicy in the sandbox of the gateway")
    .option("--filter <text>", "only cases whose names hold this text")
    .option("--json", "print the results as JSON")
    .addHelpText(
      "after",
      `
The cases of by_size_test.ts are those of the policy by_size.ts beside it.
${EXITS}

Example:
  pointsman policy test policies/`,
    )
    .action(async (path: string, options: JsonOption & { readonly filter?: string }) => {
      const files = testFiles(readable(path));
      if (files.length === 0) {
        throw new ExitError(EXIT.unreadable, `Cannot find cases in "${path}"`);
      }
      const results: CaseResult[] = [];
      for (const file of files) results.push(...await testFile(file, options.filter ?? ""));
      const failed = results.filter(({ differences }) => differences.length > 0);
      world.print(options.json ? JSON.stringify(results) : results.map(caseLine).join("\n"));
      if (!options.json) {
        world.print(`${results.length - failed.length} passed, ${failed.length} failed`);
      }
      if (failed.length > 0) throw new ExitError(EXIT.failed);
    });
}

async function testFile(file: string, filter: string): Promise<readonly CaseResult[]> {
  await using opened = await open(file.replace(/_test\.ts$/, ".ts"));
  const collected = await collectCases(file);
  if (!collected.ok) throw new ExitError(EXIT.failed, collected.stderr.trim());
  return await runCases(opened, collected.stdout, filter);
}

function caseLine({ name, differences }: CaseResult): string {
  return [`${differences.length === 0 ? "ok" : "FAILED"}  ${name}`, ...differences].join(
    "\n        ",
  );
}

interface BuildOptions {
  readonly output: string;
  readonly name?: string;
}

function addBuild(policy: Command, world: World): void {
  policy.command("build")
    .argument("<file>", "the policy")
    .description("write the bundle and its manifest")
    .option("-o, --output <folder>", "where to", ".")
    .option("--name <name>", "name of the files (default: that of the policy)")
    .addHelpText(
      "after",
      `
Writes <name>.policy.js and <name>.policy.json; the same sources give the same bytes.
${EXITS}`,
    )
    .action(async (file: string, { output, name = nameOf(file) }: BuildOptions) => {
      await using opened = await open(file);
      const { bundle } = opened;
      Deno.mkdirSync(output, { recursive: true });
      const script = join(output, `${name}.policy.js`);
      Deno.writeTextFileSync(script, bundle.code);
      Deno.writeTextFileSync(join(output, `${name}.policy.json`), manifestOf(name, bundle));
      world.print(`${headline(file, bundle)}\n${script}`);
    });
}

function nameOf(file: string): string {
  return /([^/\\]+?)(?:\.[cm]?ts)?$/.exec(file)?.[1] ?? "policy";
}

/** Canonical JSON without a clock: the same sources give the same bytes. */
function manifestOf(name: string, { digest, bytes, sources }: Bundle): string {
  const digests = Object.entries(sources).map(([source, path]) => ({
    path: source.replace("policy:", ""),
    digest: hash("sha256", Deno.readFileSync(path), "hex"),
  }));
  const esbuild = deno.imports["esbuild-wasm"].split("@").at(-1);
  return canonicalJson({
    contract: 1,
    name,
    digest,
    bytes,
    esbuild,
    permissions: { net: [] },
    sources: digests.sort((a, b) => a.path < b.path ? -1 : 1),
  }) + "\n";
}
