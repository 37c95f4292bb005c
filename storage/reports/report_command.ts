import type { Command } from "commander";
import { ExitError, fileError, type World } from "../../core/command.ts";
import { suggest } from "../../core/config/suggest.ts";
import type { UsageDatabase } from "../database.ts";
import { flagsOk, type StorageCommandOptions, type Surroundings } from "../database_flags.ts";
import { withDatabase } from "../with_database.ts";
import type { Report, ReportFilter } from "./report.ts";
import { filterOf, needsSettings, type ReportFlags, withReportFlags } from "./report_flags.ts";

const HELP = `
Sections: pointsman report --list.
One call with all of its evidence: pointsman report request <id>.

Examples:
  pointsman report
  pointsman report hourly groups --since 6h --format table
  pointsman report savings --month 2026-10 --baseline catalog:acme/swift
  pointsman report requests --status 5xx --caller ci --format csv --out 5xx.csv`;

/** Adds `report`. */
export function addReportCommand(
  program: Command,
  world: World,
  options: StorageCommandOptions,
): void {
  withReportFlags(program.command("report"))
    .description("print calls, tokens, cost and latency")
    .argument("[sections...]", "sections to print; the usual ones when none is named")
    .option("--list", "print the names of the sections")
    .addHelpText("after", HELP)
    .action(async (names: string[], flags: ReportFlags & { readonly list?: true }) => {
      const surroundings = { world, ...options };
      const text = flags.list ? await listSections() : await report(names, flags, surroundings);
      if (flags.out === undefined) world.print(text.trimEnd());
      else await write(flags.out, text);
    });
}

async function write(path: string, text: string): Promise<void> {
  try {
    await Deno.writeTextFile(path, text);
  } catch (error) {
    throw fileError("write", path, error);
  }
}

async function listSections(): Promise<string> {
  const { sections } = await import("./sections.ts");
  const width = Math.max(...sections.map(({ id }) => id.length));
  return sections.map(({ id, title, isDefault }) =>
    `${isDefault ? "*" : " "} ${id.padEnd(width)}  ${title}\n`
  ).join("");
}

async function report(
  names: readonly string[],
  flags: ReportFlags,
  surroundings: Surroundings,
): Promise<string> {
  const { world, settingsOf } = surroundings;
  const settings = needsSettings(flags) ? await settingsOf(flags.config) : null;
  const filter = flagsOk(() => filterOf(flags, { now: world.now(), settings }));
  if (names[0] === "request") return await evidence(names.slice(1), flags, surroundings);
  // The query builder is loaded by the command that needs it, and by no other.
  const { sections } = await import("./sections.ts");
  const chosen = flagsOk(() => choose(sections, names, { flags, filter }));
  return await onDatabase(flags, surroundings, async (db) => {
    const { reportHead } = await import("./head.ts");
    const { render } = await import("./render.ts");
    const head = await reportHead(db, filter);
    const filled = [];
    for (const section of chosen) {
      filled.push({ report: section, rows: await section.query(db, filter) });
    }
    return render(flags.format, head, filled, widthOf(flags, world));
  });
}

async function evidence(
  ids: readonly string[],
  flags: ReportFlags,
  surroundings: Surroundings,
): Promise<string> {
  const [id] = ids;
  if (ids.length !== 1 || id === undefined) {
    throw new ExitError(2, "Cannot report on a call: expected one request id");
  }
  const { format } = flags;
  if (format === "csv") throw new ExitError(2, "Cannot print a call as csv: use md, table or json");
  return await onDatabase(flags, surroundings, async (db) => {
    const { findEvidence } = await import("./evidence.ts");
    const { renderEvidence } = await import("./render_evidence.ts");
    const found = await findEvidence(db, id);
    if (!found) throw new ExitError(1, `Cannot report on call "${id}": it is not in the database`);
    return renderEvidence(format, found, widthOf(flags, surroundings.world));
  });
}

/** A file has lines of any length. */
function widthOf({ out }: ReportFlags, { width = Infinity }: World): number {
  return out === undefined ? width : Infinity;
}

async function onDatabase(
  flags: ReportFlags,
  surroundings: Surroundings,
  work: (db: UsageDatabase) => Promise<string>,
): Promise<string> {
  const { log } = flags;
  if (log !== undefined) {
    const { importJournal } = await import("../import_journal.ts");
    await withDatabase(
      flags,
      { ...surroundings, purpose: "write" },
      (db) => importJournal(db, log, surroundings.world.now()),
    );
  }
  return await withDatabase(flags, { ...surroundings, purpose: "read" }, work);
}

function choose(
  sections: readonly Report[],
  names: readonly string[],
  { flags, filter }: { readonly flags: ReportFlags; readonly filter: ReportFilter },
): readonly Report[] {
  const wanted = flags.trafficTuningAdvisor ? ["advisor"] : names;
  const known = sections.map(({ id }) => id);
  const wrong = wanted.find((name) => !known.includes(name));
  if (wrong !== undefined) {
    const meant = suggest(wrong, known);
    const hint = meant === null ? "report --list names them" : `did you mean "${meant}"?`;
    throw new RangeError(`Cannot report on "${wrong}": no section has that name; ${hint}`);
  }
  const chosen = sections
    .filter(({ id, isDefault }) => wanted.length === 0 ? isDefault : wanted.includes(id));
  if (flags.format === "csv" && chosen.length !== 1) {
    throw new RangeError("Cannot print csv: name one section");
  }
  const { sort, baseline } = filter;
  const needing = chosen.find(({ needsBaseline }) => needsBaseline);
  if (needing && !baseline) {
    throw new RangeError(`Cannot report on "${needing.id}": --baseline is missing`);
  }
  const columns = chosen.flatMap((section) => section.columns.map(({ name }) => name));
  if (sort && !columns.includes(sort.by)) {
    const list = [...new Set(columns)].join(", ");
    throw new RangeError(`Cannot sort by "${sort.by}": columns are ${list}`);
  }
  return chosen;
}
