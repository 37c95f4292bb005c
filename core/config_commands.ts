import type { Command } from "commander";
import { stringify } from "yaml";
import { type AddCommands, ExitError, type World } from "./command.ts";
import { configPath, loadForCommand, readConfig, withConfigOption } from "./config_option.ts";
import type { Parts } from "./config/parts.ts";
import { formatProblems, type Problem } from "./config/problem.ts";
import { configReference } from "./config/reference.ts";
import { configJsonSchema } from "./config/schema.ts";
import { effectiveConfig, missingAt, partAt } from "./config/show.ts";
import { diskSources } from "./config/sources.ts";
import type { Snapshot } from "./snapshot.ts";

/** Tries the policies of a configuration as a start would; gives what is wrong with them. */
export type CheckPolicies = (snapshot: Snapshot) => Promise<readonly Problem[]>;

/** `config validate`, `config schema` and `config show`. */
export function configCommands(parts: Parts, checkPolicies: CheckPolicies): AddCommands {
  return (program, world) => {
    const config = program.command("config").description("check and show the configuration");
    addValidate(config, world, { parts, checkPolicies });
    addSchema(config, world, parts);
    addShow(config, world, parts);
  };
}

interface ValidateOptions {
  readonly config?: string;
  readonly strict?: true;
  readonly json?: true;
}

function addValidate(
  config: Command,
  world: World,
  { parts, checkPolicies }: { readonly parts: Parts; readonly checkPolicies: CheckPolicies },
): void {
  withConfigOption(config.command("validate"))
    .description("make every check of a start, without a socket or a database")
    .option("--strict", "fail on warnings, too")
    .option("--json", "print the problems as a JSON array")
    .addHelpText("after", VALIDATE_HELP)
    .action(async (options: ValidateOptions) => {
      const path = configPath(options.config, world);
      const loaded = readConfig(path, diskSources(world), { parts, world });
      const broken = loaded.ok ? await checkPolicies(loaded.snapshot) : [];
      const ok = loaded.ok && broken.length === 0;
      const problems = [...loaded.problems, ...broken];
      world.print(options.json ? JSON.stringify(problems, null, 2) : formatProblems(problems));
      if (!ok || (options.strict && problems.length > 0)) throw new ExitError(1);
    });
}

const VALIDATE_HELP = `
Exit code: 0 fine, 1 problems, 2 wrong usage.

Examples:
  pointsman config validate
  pointsman config validate --config /etc/pointsman/config.yaml --strict
  pointsman config validate --json | jq '.[].message'`;

function addSchema(config: Command, world: World, { strategies }: Parts): void {
  config.command("schema")
    .description("print the JSON Schema (2020-12) of the config file")
    .option("--markdown", "print the reference for people instead")
    .addHelpText("after", SCHEMA_HELP)
    .action(({ markdown }: { readonly markdown?: true }) =>
      world.print(
        markdown
          ? configReference(strategies).trimEnd()
          : JSON.stringify(configJsonSchema(strategies), null, 2),
      )
    );
}

const SCHEMA_HELP = `
Examples:
  pointsman config schema --markdown | less
  pointsman config schema > config.schema.json
  # first line of config.yaml, for editors:
  # yaml-language-server: $schema=./config.schema.json`;

interface ShowOptions {
  readonly config?: string;
  readonly json?: true;
}

function addShow(config: Command, world: World, parts: Parts): void {
  withConfigOption(config.command("show"))
    .argument("[path]", "a part of it, such as models.fast.targets[0]")
    .description("print the configuration in force: defaults filled in, secrets hidden")
    .option("--json", "print JSON instead of YAML")
    .addHelpText("after", SHOW_HELP)
    .action((path: string | undefined, options: ShowOptions) => {
      const shown = effectiveConfig(loadForCommand(options.config, world, parts));
      const part = path === undefined ? shown : partAt(shown, path);
      if (part === undefined) {
        throw new ExitError(1, `Cannot show ${path}: ${missingAt(shown, path ?? "")}`);
      }
      const text = options.json
        ? JSON.stringify(part, null, 2)
        : stringify(part, { lineWidth: 0 }).trimEnd();
      world.print(text);
    });
}

const SHOW_HELP = `
Examples:
  pointsman config show
  pointsman config show server.logging
  pointsman config show 'models.fast.targets[0]' --json`;
