import type { AddCommands } from "../core/command.ts";
import { addBuild } from "./commands/build.ts";
import { addCheck } from "./commands/check.ts";
import type { PolicyConfig } from "./commands/configured.ts";
import { addExportFixture } from "./commands/export_fixture.ts";
import { addReplay, type RecordServices } from "./commands/replay.ts";
import { addSigning } from "./commands/signing.ts";
import { addTest } from "./commands/test.ts";

/** `policy check`, `test`, `build`, `keygen`, `sign`, `verify`, `replay` and `export-fixture`. */
export function policyCommands(config: PolicyConfig, records: RecordServices): AddCommands {
  return (program, world) => {
    const policy = program.command("policy").description("write, try and build routing policies");
    addCheck(policy, world, config);
    addTest(policy, world);
    addBuild(policy, world);
    addSigning(policy, world, config);
    addReplay(policy, world, records);
    addExportFixture(policy, world, records);
  };
}
