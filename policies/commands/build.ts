import type { Command } from "commander";
import { join } from "node:path";
import type { World } from "../../core/command.ts";
import { builtFiles } from "../signing/built_policy.ts";
import { manifestText } from "../signing/manifest.ts";
import { headline, orUnwritable } from "./configured.ts";
import { alone, EXITS, open } from "./exit.ts";

interface BuildOptions {
  readonly output: string;
  readonly name?: string;
  readonly net?: readonly string[];
}

/** `policy build`: a bundle and its manifest. */
export function addBuild(policy: Command, world: World): void {
  policy.command("build")
    .argument("<file>", "the policy")
    .description("write the bundle and its manifest")
    .option("-o, --output <folder>", "where to", ".")
    .option("--name <name>", "name of the files (default: that of the policy)")
    .option("--net <host:port>", "a host that it asks to reach; may be repeated", collect)
    .addHelpText(
      "after",
      `
Writes <name>.policy.js and <name>.policy.json; the same sources give the same
bytes.
${EXITS}

Example:
  pointsman policy build policies/by_size.ts -o dist`,
    )
    .action(async (file: string, { output, name = nameOf(file), net = [] }: BuildOptions) => {
      await using opened = await open(alone(file));
      const { bundle } = opened;
      const { manifest, script } = builtFiles(join(output, `${name}.policy.json`));
      orUnwritable(output, () => Deno.mkdirSync(output, { recursive: true }));
      orUnwritable(script, () => Deno.writeTextFileSync(script, bundle.code));
      const text = manifestText(bundle, { name, net });
      orUnwritable(manifest, () => Deno.writeTextFileSync(manifest, text));
      world.print([headline(file, bundle, net), script, manifest].join("\n"));
    });
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function nameOf(file: string): string {
  return /([^/\\]+?)(?:\.[cm]?ts)?$/.exec(file)?.[1] ?? "policy";
}
