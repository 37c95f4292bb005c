import type { Command } from "commander";
import { keyError } from "./auth.ts";
import { type AddCommands, ExitError, type World } from "./command.ts";
import { loadForCommand, withConfigOption } from "./config_option.ts";
import type { Parts } from "./config/parts.ts";
import type { Credential } from "./snapshot.ts";
import {
  type GenerateOptions,
  generateToken,
  type RevokeOptions,
  revokeToken,
  type RotateOptions,
  rotateToken,
} from "./token_changes.ts";
import { tokenDigestHex } from "./tokens.ts";

/** `tokens generate`, `rotate`, `revoke`, `list` and `verify`. */
export function tokenCommands(parts: Parts): AddCommands {
  return (program, world) => {
    const tokens = program.command("tokens").description("make and manage the tokens of callers");
    addGenerate(tokens, world, parts);
    addRotate(tokens, world, parts);
    addRevoke(tokens, world, parts);
    addList(tokens, world, parts);
    addVerify(tokens, world, parts);
  };
}

/** The options that commands which change callers share. */
function withChangeOptions(command: Command): Command {
  return withConfigOption(command)
    .option("--out <file>", "write the token to a new file (mode 0600) instead of printing it")
    .option("--write", "change the config file in place; the gateway reloads by itself")
    .option("--json", "print JSON");
}

function addGenerate(tokens: Command, world: World, parts: Parts): void {
  withChangeOptions(tokens.command("generate"))
    .description("make a token and its caller entry; nothing is active without --write")
    .requiredOption("--owner-user <id>", "user who answers for the caller")
    .requiredOption("--project <id>", "project it belongs to")
    .requiredOption("--env <name>", "environment, such as prod")
    .requiredOption("--allow <groups>", "model groups it may use, separated by commas")
    .option("--id <id>", "id of the caller (default: <project>-<env>)")
    .option("--expires <time>", "moment it expires, such as 2027-01-31T00:00:00Z")
    .addHelpText("after", GENERATE_HELP)
    .action((options: GenerateOptions) => generateToken(options, world, parts));
}

const GENERATE_HELP = `
Examples:
  pointsman tokens generate --owner-user ana --project shop --env prod \\
    --allow fast,coder
  pointsman tokens generate --owner-user ana --project shop --env ci \\
    --allow fast --out ./ci.token --write`;

function addRotate(tokens: Command, world: World, parts: Parts): void {
  withChangeOptions(tokens.command("rotate"))
    .description("give a caller a new token; the old one stays valid for a while")
    .requiredOption("--id <id>", "id of the caller")
    .option("--grace <duration>", "how long the old token stays valid, 0s to 30d", "24h")
    .addHelpText("after", ROTATE_HELP)
    .action((options: RotateOptions) => rotateToken(options, world, parts));
}

const ROTATE_HELP = `
Examples:
  pointsman tokens rotate --id shop-prod --write
  pointsman tokens rotate --id shop-prod --grace 0s --write   # it leaked`;

function addRevoke(tokens: Command, world: World, parts: Parts): void {
  withConfigOption(tokens.command("revoke"))
    .description("disable a caller and drop its previous tokens")
    .requiredOption("--id <id>", "id of the caller")
    .option("--write", "change the config file in place; the gateway reloads by itself")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  pointsman tokens revoke --id shop-prod --write")
    .action((options: RevokeOptions) => revokeToken(options, world, parts));
}

interface ReadOptions {
  readonly config?: string;
  readonly json?: true;
}

function addList(tokens: Command, world: World, parts: Parts): void {
  withConfigOption(tokens.command("list"))
    .description("list callers with their status and token ids")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  pointsman tokens list --json | jq '.[].id'")
    .action((options: ReadOptions) => {
      const { snapshot } = loadForCommand(options.config, world, parts);
      const rows = [...snapshot.credentials.values()].map((credential) => ({
        id: credential.caller.id,
        state: keyError(credential, world.now())?.type ?? "active",
        token_id: credential.tokenId || null,
        expires_at: expiryOf(credential),
        allow: [...credential.caller.allow],
      }));
      if (options.json) world.print(JSON.stringify(rows, null, 2));
      else for (const row of rows) world.print(listLine(row));
    });
}

interface Row {
  readonly id: string;
  readonly state: string;
  readonly token_id: string | null;
  readonly expires_at: string | null;
  readonly allow: readonly string[];
}

function listLine({ id, state, token_id: tokenId, expires_at: expires, allow }: Row): string {
  const until = expires === null ? "" : `  until ${expires}`;
  const groups = allow.length === 0 ? "no group" : allow.join(",");
  return `${id.padEnd(24)} ${state.padEnd(14)} ${tokenId ?? "-"}  ${groups}${until}`;
}

function addVerify(tokens: Command, world: World, parts: Parts): void {
  withConfigOption(tokens.command("verify"))
    .description("read a token on standard input, tell its caller and state")
    .option("--json", "print JSON")
    .addHelpText("after", VERIFY_HELP)
    .action(async (options: ReadOptions) => {
      const { snapshot } = loadForCommand(options.config, world, parts);
      const token = (await world.stdin()).trim();
      const credential = snapshot.credentials.get(tokenDigestHex(token));
      if (!credential) throw new ExitError(1, "Cannot verify: no caller has this token");
      const state = keyError(credential, world.now())?.type ?? "active";
      const { caller, tokenId } = credential;
      const expires = expiryOf(credential);
      const facts = { caller: caller.id, state, token_id: tokenId || null, expires_at: expires };
      const told = `${caller.id}: ${state}${expires === null ? "" : ` until ${expires}`}`;
      world.print(options.json ? JSON.stringify(facts, null, 2) : told);
      if (state !== "active") throw new ExitError(1);
    });
}

const VERIFY_HELP = `
Exit code: 0 the token is accepted, 1 it is not.

Example:
  pointsman tokens verify < ./ci.token`;

/** When a token ends; `null`: never. */
function expiryOf({ validUntil, caller }: Credential): string | null {
  const moment = validUntil ?? caller.expiresAt;
  return moment === null ? null : new Date(moment).toISOString();
}
