import type { AddCommands } from "../core/command.ts";
import { addBuild } from "./commands/build.ts";
import { addCheck } from "./commands/check.ts";
import type { PolicyConfig } from "./commands/configured.ts";
import { addExportFixture } from "./commands/export_fixture.ts";
import { addReplay, type RecordServices } from "./commands/replay.ts";
import { addSigning } from "./commands/signing.ts";
import { addStatus, type OpenBoard } from "./commands/status.ts";
import { addTest } from "./commands/test.ts";

/** What the commands are handed. */
export interface PolicyCommandServices extends RecordServices {
  readonly config: PolicyConfig;
  readonly openBoard: OpenBoard;
}

/** Every command of `policy`. */
export function policyCommands(services: PolicyCommandServices): AddCommands {
  const { config } = services;
  return (program, world) => {
    const policy = program.command("policy").description("write, try and build routing policies");
    addCheck(policy, world, config);
    addTest(policy, world, config);
    addBuild(policy, world);
    addSigning(policy, world, config);
    addStatus(policy, world, services);
    addReplay(policy, world, services);
    addExportFixture(policy, world, services);
  };
}
