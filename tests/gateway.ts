import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { Calibration } from "@/core/calibration.ts";
import { loadConfig } from "@/core/config/load.ts";
import { formatProblems } from "@/core/config/problem.ts";
import { keptSalt } from "@/core/conversation.ts";
import { liveConfig } from "@/core/config/reload.ts";
import { diskSources } from "@/core/config/sources.ts";
import { createFingerprints } from "@/core/fingerprints.ts";
import { applySettings, startGateway } from "@/core/gateway.ts";
import { Ledger } from "@/core/limits/ledger.ts";
import { policyGroups } from "@/core/policy_groups.ts";
import { createLog } from "@/core/log.ts";
import { dialects } from "@/dialects/mod.ts";
import type { Snapshot } from "@/core/snapshot.ts";
import { createPlugins, upstreams } from "@/plugins/mod.ts";
import { createPolicyRunner } from "@/policies/mod.ts";
import { feedbackSpools } from "@/storage/feedback_spool.ts";
import { type OpenJournal, openJournal } from "@/storage/journal.ts";
import { tables } from "@/storage/schema.ts";
import { openLedgerStore } from "@/storage/ledger_store.ts";
import { openStateKv } from "@/storage/state_kv.ts";
import { openUsageStore } from "@/storage/store.ts";
import { columnsOf } from "@/storage/table.ts";
import { strategies } from "@/strategies/mod.ts";
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
  reload(options: ConfigOptions): boolean | Promise<boolean>;
}

const registries = { dialects, strategies, builtins: upstreams };

const CLOCKS = { now: Date.now, clock: () => performance.now() };

/** Starts a gateway; the folder is its own, the port is free. */
export async function startTestGateway(options: ConfigOptions): Promise<TestGateway> {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "config.yaml");
  writeFolder(dir, options);
  const logs: string[] = [];
  const line = (text: string) => void logs.push(text);
  const log = createLog({ level: "debug", format: "json" }, { now: Date.now, line });
  const policies = createPolicyRunner({ log, ...CLOCKS });
  const sources = diskSources({ env: () => undefined, now: Date.now });
  const load = () => loadConfig(path, sources, { ...registries, policies });
  const initial = load();
  if (!initial.ok) throw new Error(formatProblems(initial.problems));
  const prepare = (snapshot: Snapshot) =>
    policies.prepare(policyGroups(snapshot), snapshot.server.policies);
  const refused = await prepare(initial.snapshot);
  if (refused.length > 0) throw new Error(formatProblems(refused));
  const { logging, usageDb, rollups, retention } = initial.snapshot.server;
  const plugins = createPlugins();
  policies.adopt(policyGroups(initial.snapshot), initial.snapshot.server.policies);
  const opened = openJournal(logging, { log, now: Date.now, shipped: usageDb.enabled });
  const journal = counted(opened);
  const store = openUsageStore({
    logging,
    usageDb,
    rollups,
    retention,
    log,
    routerVersion: "test",
    onUnshipped: (bytes) => opened.setUnshipped(bytes),
    onBatch: (ms) => plugins.forEach((plugin) => plugin.onShipped(ms)),
  });
  const ledger = new Ledger(CLOCKS);
  const ledgerStore = await openLedgerStore({
    snapshot: initial.snapshot,
    ledger,
    journal: opened,
    log,
    ...CLOCKS,
  });
  const state = await openStateKv(initial.snapshot.server.ledger.path);
  const config = liveConfig({
    initial,
    load,
    log,
    prepare,
    onSwap: (snapshot) => applySettings(snapshot, { log, journal, ledgerStore, plugins, policies }),
  });
  const gateway = startGateway({
    config,
    dialects,
    builtins: upstreams,
    journal,
    store,
    policies,
    policyNotices: null,
    openSpool: feedbackSpools(logging.path, 0),
    ledger,
    ledgerStore,
    calibration: new Calibration(),
    calibrationStore: null,
    state,
    conversationSalt: await keptSalt(state),
    cacheStore: null,
    log,
    build: { version: "0.0.0-test", commit: "", builtAt: "" },
    replica: null,
    gatewayId: "gw_0123456789abcdef",
    fingerprints: createFingerprints(new Uint8Array(32)),
    tracer: null,
    fleet: null,
    plugins,
  });
  return {
    url: gateway.url,
    token: TOKEN,
    dir,
    logs,
    rows: () => journalRows(dir),
    async settled(count) {
      await journal.lines(count);
      return journalRows(dir);
    },
    securityEvents: () =>
      jsonLines(dir, "events").filter(({ table }) => table === "security_access_events")
        .map(({ row }) => row),
    async usageRows() {
      await store.totals("nobody", 0, 1);
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

/** A journal that tells when it has taken a number of lines. */
function counted(journal: OpenJournal) {
  let count = 0;
  let more = Promise.withResolvers<void>();
  return {
    append(record: Parameters<OpenJournal["append"]>[0]) {
      const durable = journal.append(record);
      count += 1;
      more.resolve();
      more = Promise.withResolvers();
      return durable;
    },
    appendSecurityEvent: journal.appendSecurityEvent,
    appendDecision: journal.appendDecision,
    appendDecisionSource: journal.appendDecisionSource,
    get state() {
      return journal.state;
    },
    get counts() {
      return journal.counts;
    },
    get backlog() {
      return journal.backlog;
    },
    configure: journal.configure,
    close: journal.close,
    async lines(wanted: number) {
      while (count < wanted) await more.promise;
    },
  };
}
