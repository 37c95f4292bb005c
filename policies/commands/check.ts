import type { Command } from "commander";
import { ExitError, type World } from "../../core/command.ts";
import { checkTypes } from "../author_tools.ts";
import { checkPolicy, type PolicyCheck } from "../check.ts";
import type { SandboxedPolicy, TriedPolicy } from "../sandboxed_policy.ts";
import type { BundleFlaw } from "../sandbox/bundle.ts";
import { isManifest } from "../signing/built_policy.ts";
import { grantLines, headline, type PolicyConfig, policyOf } from "./configured.ts";
import { alone, EXIT, EXITS, flawLines, open, readable } from "./exit.ts";

interface CheckOptions {
  readonly config?: string;
  readonly group?: string;
  readonly json?: true;
}

/** `policy check`: types, bundle, and decisions on sample contexts in the sandbox. */
export function addCheck(policy: Command, world: World, config: PolicyConfig): void {
  policy.command("check")
    .argument("<file>", "the policy")
    .description("check types, bundle, and decide on sample contexts in the sandbox")
    .option("--config <path>", "config file that has the group")
    .option("--group <name>", "with the limits, grants and keys of this group")
    .option("--json", "print the result as JSON")
    .addHelpText("after", `${EXITS}\n\nExample:\n  pointsman policy check policies/by_size.ts`)
    .action(async (file: string, { config: path, group, json }: CheckOptions) => {
      readable(file);
      const tried = group === undefined
        ? alone(file)
        : { ...policyOf(config(path), group), path: readable(file) };
      await using opened = await open(tried);
      await checkSource(tried);
      const result = await checkPolicy(opened);
      world.print(
        json
          ? JSON.stringify(resultJson(opened, result))
          : report(headline(file, opened.bundle, tried.net), result),
      );
      if (result.faults.length > 0) {
        throw new ExitError(EXIT.fault, faultLines(result).join("\n"));
      }
      if (result.same < result.repeated) {
        throw new ExitError(EXIT.failed, `${file}: the same context gave another plan`);
      }
    });
}

function faultLines({ faults, ungranted }: PolicyCheck): readonly string[] {
  const routerless = faults.some(({ message }) => message.includes("router is not defined"));
  const lines = [flawLines(faults), ...grantLines(ungranted)];
  return routerless ? [...lines, ROUTERLESS] : lines;
}

const ROUTERLESS =
  "its group grants no host in script_permissions.net, and without one there is no router";

/** A built policy has no types any more. */
async function checkSource({ path }: TriedPolicy): Promise<void> {
  if (isManifest(path)) return;
  const types = await checkTypes(path);
  if (!types.ok) throw new ExitError(EXIT.failed, types.stderr);
}

function report(headline: string, result: PolicyCheck): string {
  const ok = result.faults.length === 0 && result.same === result.repeated;
  return [
    headline,
    [
      `warm ${result.decided}/${result.contexts}`,
      `deterministic ${result.same}/${result.repeated}`,
      `p50 ${result.p50Us} us`,
      `p99 ${result.p99Us} us`,
      `heap ${result.heapBytes === null ? "gone" : `${Math.ceil(result.heapBytes / 1e6)} MB`}`,
      ok ? "ok" : "failed",
    ].join("  "),
  ].join("\n");
}

function resultJson({ bundle }: SandboxedPolicy, { faults, ...numbers }: PolicyCheck): object {
  return { digest: bundle.digest, bytes: bundle.bytes, ...numbers, faults: faults.map(faultJson) };
}

function faultJson({ line, column, ...flaw }: BundleFlaw): object {
  return line === 0 ? { ...flaw, line: null, column: null } : { ...flaw, line, column };
}
