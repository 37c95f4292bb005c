import type { Command } from "commander";
import { examples, ExitError, type World } from "../../core/command.ts";
import { withConfigOption } from "../../core/config_option.ts";
import { policyGroups } from "../../core/policy_groups.ts";
import type { PolicyBoard, PolicyNotice, PolicyStanding } from "../../core/policy_standing.ts";
import { messageOf } from "../../core/thrown.ts";
import { type ConfiguredPolicies, type PolicyConfig, policyOf } from "./configured.ts";
import { EXIT, EXITS } from "./exit.ts";

/** Opens the board in a state. */
export type OpenBoard = (statePath: string, now: () => number) => Promise<PolicyBoard>;

interface StatusOptions {
  readonly config?: string;
  readonly json?: true;
}

const RESUME_HELP = `\nRunning gateways follow within a second.\n${EXITS}\n` +
  examples("pointsman policy resume fast --config config.yaml");

/** `policy status` and `policy resume`. */
export function addStatus(
  policy: Command,
  world: World,
  { config, openBoard }: { readonly config: PolicyConfig; readonly openBoard: OpenBoard },
): void {
  withConfigOption(policy.command("status"))
    .description("show the policies that running gateways have in force, and their faults")
    .option("--json", "print JSON")
    .addHelpText("after", `${EXITS}\n${examples("pointsman policy status --config config.yaml")}`)
    .action(async ({ config: path, json }: StatusOptions) => {
      const statePath = config(path).server.ledger.path;
      using board = await open(openBoard, statePath, world);
      const notices = await board.read();
      if (json) return world.print(JSON.stringify(notices));
      if (notices.length === 0) throw silent(statePath);
      world.print(notices.flatMap(linesOf).join("\n"));
    });
  withConfigOption(policy.command("resume"))
    .argument("<group>", "whose policy is asked again")
    .description("end the quarantine of a policy, or the rollback of its rollout")
    .option("--json", "print JSON")
    .addHelpText("after", RESUME_HELP)
    .action(async (group: string, { config: path, json }: StatusOptions) => {
      const configured = config(path);
      if (!isExternal(configured, group)) policyOf(configured, group);
      const statePath = configured.server.ledger.path;
      using board = await open(openBoard, statePath, world);
      await board.askToResume(group);
      const processes = (await board.read()).map(({ process }) => process);
      if (processes.length === 0) throw silent(statePath);
      const told = `"${group}" resumes in ${processes.join(", ")}`;
      world.print(json ? JSON.stringify({ group, processes }) : told);
    });
}

function isExternal(configured: ConfiguredPolicies, group: string): boolean {
  return policyGroups(configured)
    .some(({ name, policy }) => name === group && policy?.kind === "external");
}

async function open(openBoard: OpenBoard, statePath: string, { now }: World): Promise<PolicyBoard> {
  try {
    return await openBoard(statePath, now);
  } catch (error) {
    const reason = messageOf(error);
    throw new ExitError(EXIT.unreadable, `Cannot open the state "${statePath}": ${reason}`);
  }
}

function silent(statePath: string): ExitError {
  const why = `no gateway with a policy has said anything in "${statePath}"; is one running?`;
  return new ExitError(EXIT.unreadable, `Cannot tell how policies stand: ${why}`);
}

function linesOf({ process, standings }: PolicyNotice): readonly string[] {
  return [process, ...standings.map(lineOf)];
}

function lineOf(standing: PolicyStanding): string {
  const { group, state, digest, queued, hostRestarts, nondeterminism } = standing;
  const faults = Object.entries(standing.faults).map(([fault, count]) => `${fault} ${count}`);
  return [
    `  ${group}`,
    state,
    `sha256:${digest.slice(0, 12)}`,
    `faults ${faults.join(", ") || 0}`,
    `queued ${queued}`,
    `host restarts ${hostRestarts}`,
    `nondeterminism ${nondeterminism}`,
  ].join("  ");
}
