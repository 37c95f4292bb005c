import type { Command } from "commander";
import { ExitError, type World } from "../../core/command.ts";
import type { RecordedDecision } from "../../core/decision_store.ts";
import { parseJson } from "../../core/parse_json.ts";
import { RecordError } from "../../core/telemetry/context_record.ts";
import { messageOf } from "../../core/thrown.ts";
import { Deciders } from "../replay/deciders.ts";
import { readRecord } from "../replay/read_record.ts";
import type { Fixture } from "../sdk/fixture.ts";
import { writeFixture } from "../test_cases.ts";
import { orUnwritable } from "./configured.ts";
import { EXIT } from "./exit.ts";
import type { RecordServices } from "./replay.ts";

const HELP = `
A fixture is a case of testPolicy:
  { name: "recorded", fixture: "fixtures/large.json" }

Exit code: 0 ok, 1 the record is damaged, 2 wrong usage, 5 there is no such
record, or it cannot be read.

Example:
  pointsman policy export-fixture req_5f0c2a -o policies/fixtures/large.json`;

/** `policy export-fixture`: a recorded decision as a file of the author's. */
export function addExportFixture(policy: Command, world: World, services: RecordServices): void {
  services.archive.withFlags(policy.command("export-fixture"))
    .argument("<id>", "of a call whose decision is recorded")
    .description("write a recorded decision as a case of testPolicy")
    .option("-o, --output <path>", "file to write instead of stdout")
    .addHelpText("after", HELP)
    .action(async (id: string, flags: { readonly output?: string }) => {
      const fixture = await fixtureOf(id, flags, world, services);
      if (flags.output === undefined) return world.print(JSON.stringify(fixture, null, 2));
      const { output } = flags;
      orUnwritable(output, () => writeFixture(output, fixture));
    });
}

async function fixtureOf(
  id: string,
  flags: object,
  world: World,
  { archive, strategies }: RecordServices,
): Promise<Fixture> {
  const place = await archive.placeOf(flags, world);
  try {
    await using store = await archive.open(place);
    await using deciders = new Deciders(strategies, store);
    const record = await store.find(id);
    const read = record && await readRecord(record, deciders);
    if (read) return fixtureFrom(read);
  } catch (error) {
    const message = messageOf(error);
    throw new ExitError(error instanceof RecordError ? EXIT.failed : EXIT.unreadable, message);
  }
  throw new ExitError(
    EXIT.unreadable,
    `Cannot export "${id}": its decision is not recorded (server.decision_telemetry samples calls)`,
  );
}

function fixtureFrom(
  { record, context }: { record: RecordedDecision; context: Fixture["context"] },
): Fixture {
  const { planJson, policyDigest, engine } = record;
  return { version: 1, context, plan: parseJson(planJson), policyDigest, engine };
}
