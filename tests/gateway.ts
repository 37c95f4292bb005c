import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import type { Adapters } from "@/core/adapters.ts";
import { loadConfig, loadConfigAside } from "@/core/config/load.ts";
import { formatProblems } from "@/core/config/problem.ts";
import { diskSources } from "@/core/config/sources.ts";
import { createLog } from "@/core/log.ts";
import { openAlone } from "@/core/open_gateway.ts";
import type { Journal } from "@/core/record.ts";
import { openStorage } from "@/storage/open_storage.ts";
import { tables } from "@/storage/schema.ts";
import { columnsOf } from "@/storage/table.ts";
import { ADAPTERS } from "./adapters.ts";
import { type ConfigOptions, type ConfigTree, testConfig, TOKEN } from "./gateway_config.ts";

export * from "./gateway_config.ts";

/** A line of the journal or a row of the database; loose, since tests look at what they know. */
// deno-lint-ignore no-explicit-any
export type Loose = Record<string, any>;

/** The real gateway on a real socket, in this process. */
export interface TestGateway extends AsyncDisposable {
  /** Without a trailing slash. */
  readonly url: string;
  readonly token: string;
  /** Folder of the config file and of all state; removed at the end. */
  readonly dir: string;
  /** Console lines so far, as JSON. */
  readonly logs: readonly string[];
  /** Lines of the call journal. */
  rows(): Loose[];
  /** The lines, as soon as there are `count` of them. */
  settled(count: number): Promise<Loose[]>;
  /** Rows of `security_access_events` in the event journal. */
  securityEvents(): Loose[];
  /** Rows of `request_usage`, after everything in the journal was shipped. */
  usageRows(): Promise<Loose[]>;
  /** Reads a changed configuration; tells whether it was taken. */
  reload(options: ConfigOptions): Promise<boolean>;
}

/** Starts a gateway; the folder is its own, the port is free. */
export async function startTestGateway(
  options: ConfigOptions,
  more: Partial<Pick<Adapters, "builtins">> = {},
): Promise<TestGateway> {
  const adapters = { ...ADAPTERS, ...more };
  const dir = await Deno.makeTempDir();
  const path = join(dir, "config.yaml");
  writeFolder(dir, options);
  const logs: string[] = [];
  const line = (text: string) => void logs.push(text);
  const log = createLog({ level: "debug", format: "json" }, { now: Date.now, line });
  const policies = ADAPTERS.createPolicyRunner(log);
  const sources = diskSources({ env: () => undefined, now: Date.now });
  const parts = { ...adapters, policies };
  const initial = loadConfig(path, sources, parts);
  const load = () => loadConfigAside(path, sources, parts);
  if (!initial.ok) throw new Error(formatProblems(initial.problems));
  const lines = lineCount();
  const { gateway, config, storage } = await openAlone({ initial, load, log, policies }, {
    ...adapters,
    async openStorage(options) {
      const storage = await openStorage(options);
      return { ...storage, journal: lines.counted(storage.journal) };
    },
  });
  return {
    url: gateway.url,
    token: TOKEN,
    dir,
    logs,
    rows: () => journalRows(dir),
    async settled(count) {
      await lines.reached(count);
      return journalRows(dir);
    },
    securityEvents: () =>
      jsonLines(dir, "events").filter(({ table }) => table === "security_access_events")
        .map(({ row }) => row),
    async usageRows() {
      await storage.store?.totals("nobody", 0, 1);
      return databaseRows(dir);
    },
    reload(changed) {
      writeConfig(dir, testConfig(changed));
      return config.reload();
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** Writes what a test says about its gateway into its folder. */
export function writeFolder(dir: string, options: ConfigOptions): void {
  writeConfig(dir, testConfig(options));
  for (const [name, text] of Object.entries(options.files ?? {})) {
    Deno.writeTextFileSync(join(dir, name), text);
  }
}

/** Replaces the config file of a folder. */
export function writeConfig(dir: string, config: ConfigTree, name = "config.yaml"): void {
  const path = join(dir, name);
  Deno.writeTextFileSync(`${path}.new`, JSON.stringify(config, null, 2));
  Deno.renameSync(`${path}.new`, path);
}

/** Lines of the call journal below a folder, with the columns that lines leave out. */
export function journalRows(dir: string): Loose[] {
  return jsonLines(dir, "requests").map((line) => ({
    ...DEFAULTS.request_usage,
    ...line,
    request_attempts: (line["request_attempts"] ?? []).map((attempt: Loose) => ({
      ...DEFAULTS.request_attempts,
      ...attempt,
    })),
  }));
}

/** Rows of the executions of policies in the journal, with the ids of their calls. */
export function policyExecutions(dir: string): Loose[] {
  return jsonLines(dir, "events").flatMap(({ decision, request_policy_executions: rows }) =>
    (rows ?? []).map((row: Loose) => ({ request_id: decision, ...row }))
  );
}

const DEFAULTS = {
  request_usage: defaultsOf("request_usage"),
  request_attempts: defaultsOf("request_attempts"),
};

/** The value of each column of a table that says nothing: `''`, 0, or NULL where it may be unknown. */
function defaultsOf(name: string): Loose {
  const table = tables.get(name);
  if (!table) throw new RangeError(`Cannot find table "${name}"`);
  return Object.fromEntries(
    columnsOf(table).map(({ name, kind }) => [
      name,
      kind.endsWith("?") ? null : kind === "text" ? "" : 0,
    ]),
  );
}

/** Rows of `request_usage`, with those of `request_attempts` as `attempt_rows`. */
export function databaseRows(dir: string): Loose[] {
  const db = new DatabaseSync(join(dir, "state", "usage.sqlite"), { readOnly: true });
  try {
    const attempts: Loose[] = db.prepare("SELECT * FROM request_attempts ORDER BY attempt_index")
      .all();
    const rows: Loose[] = db.prepare("SELECT * FROM request_usage ORDER BY ts, request_id").all();
    return rows.map((row) => ({
      ...row,
      attempt_rows: attempts.filter(({ request_id }) => request_id === row["request_id"]),
    }));
  } finally {
    db.close();
  }
}

/** Whole lines of every segment of a journal, oldest first. */
function jsonLines(dir: string, stem: string): Loose[] {
  const folder = join(dir, "state", "journal");
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.startsWith(`${stem}.`) && name.endsWith(".jsonl"))
    .toSorted((a, b) => segmentOf(a) - segmentOf(b));
  return names.flatMap((name) =>
    Deno.readTextFileSync(join(folder, name)).split("\n").slice(0, -1).map((line) =>
      JSON.parse(line)
    )
  );
}

/** The active segment has no number and comes last. */
function segmentOf(name: string): number {
  return Number(/\.(\d{8})\.jsonl$/.exec(name)?.[1] ?? Infinity);
}

/** Tells when a journal has taken a number of lines. */
function lineCount() {
  let count = 0;
  let more = Promise.withResolvers<void>();
  return {
    counted(journal: Journal): Journal {
      const append: Journal["append"] = (record) => {
        const durable = journal.append(record);
        count += 1;
        more.resolve();
        more = Promise.withResolvers();
        return durable;
      };
      return new Proxy(journal, {
        get: (target, key) => key === "append" ? append : Reflect.get(target, key),
      });
    },
    async reached(wanted: number) {
      while (count < wanted) await more.promise;
    },
  };
}
