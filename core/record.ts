/** Values of a row: text, 64-bit integers and NULL. Flags are 0 or 1; no float is ever stored. */
export type RowValue = string | number | bigint | null;

/** A row by column name; columns at their default ('' , 0, NULL) may be left out. */
export type Row = Readonly<Record<string, RowValue | undefined>>;

/**
 * The record of one call: the columns of `request_usage`, and the rows of its child tables without
 * their `request_id`. It is one line of the journal; `storage/schema.ts` lists the columns.
 */
export interface CallRecord {
  /**
   * More columns of the same row. A frozen section is the same object in many records (a caller's
   * columns, a target's), so that it is encoded once.
   */
  readonly sections?: readonly Row[];
  readonly usage: Row & {
    readonly request_id: string;
    readonly ts: number;
    readonly status: number;
  };
  readonly attempts: readonly Row[];
  /** At most one. */
  readonly errors: readonly Row[];
  /** Rows of other child tables, by table. */
  readonly children?: Readonly<Record<string, readonly Row[]>>;
}

/** A refused request that belongs to no caller: a row of `security_access_events`. */
export type SecurityEvent = Row & { readonly id: string; readonly ts: number };

/** How a call was decided. */
export interface DecisionRecord {
  readonly requestId: string;
  /** Of the call, epoch ms. */
  readonly ts: number;
  /** Rows of the decision tables without their `request_id`, by table. */
  readonly rows: Readonly<Record<string, readonly Row[]>>;
  /** JSON of what the reader of the line makes further rows from (`telemetry/decision_facts.ts`). */
  readonly facts?: string;
}

/** What decisions need to be made again; stored once, by its key. */
export type DecisionSource = "route_config_snapshots" | "policy_bundles";

/** Why the journal takes no lines; fixed codes. */
export type JournalState = "ok" | "write-failed" | "full";

/** What a journal did since the start. */
export interface JournalCounts {
  /** Lines taken. */
  readonly lines: number;
  /** Lines that could be neither written nor held. */
  readonly lost: number;
  /** Ends of files that a crash had torn and the start moved aside. */
  readonly torn: number;
}

/** What of the journal is not in the usage database yet. */
export interface Backlog {
  readonly bytes: number;
  /** Age of its oldest line, ms; 0 when there is none. */
  readonly lagMs: number;
}

/** Where the records of calls are made durable. */
export interface Journal {
  /**
   * Writes the line of a call, synchronously, into the page cache. Never throws: a line that cannot
   * be written is kept in memory and tried again.
   *
   * @returns nothing when the line is as durable as configured, else a promise for it
   */
  append(record: CallRecord): Promise<void> | undefined;
  /** Writes a line of the event journal. Never throws. */
  appendSecurityEvent(event: SecurityEvent): void;
  /** Writes a line of the event journal: how a call was decided. Never throws. */
  appendDecision(decision: DecisionRecord): void;
  /** Writes a line of the event journal. Never throws. */
  appendDecisionSource(table: DecisionSource, row: Row): void;
  readonly state: JournalState;
  readonly counts: JournalCounts;
  readonly backlog: Backlog;
  /** Takes new limits after a reload (the path never changes). */
  configure(settings: { maxUnshippedBytes: number; onFull: "refuse" | "warn" }): void;
  /** Writes what waits, syncs and closes. */
  close(): Promise<void>;
}

/** What a shipper did so far. */
export interface ShipCounts {
  readonly inserted: number;
  readonly duplicate: number;
  readonly rejected: number;
  /** Numbers of lines that are missing between lines. */
  readonly gaps: number;
}

/** Failures of shipping since the start: of the database, and of the thread itself. */
export interface ShipFailures {
  readonly database: number;
  readonly worker: number;
}

/** What a caller used, per UTC day and month; tokens and nano-USD as charged. */
export interface CallerTotals {
  readonly requests: number;
  readonly errors: number;
  readonly cacheHits: number;
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly imageTokens: number;
  readonly costNusd: bigint;
  /** What answers from the cache would have cost. */
  readonly savedNusd: bigint;
  readonly unpricedRequests: number;
}

/** Whether the schema of the usage database is the one of this program; fixed codes. */
export type SchemaState = "ok" | "pending" | "newer" | "checksum-mismatch";

/** Migrations of the usage database. */
export interface MigrationCounts {
  /** Number of the last one that is applied; 0 while that is not known. */
  readonly version: number;
  readonly pending: number;
}

/** The usage database as the serving process sees it: it lives in a worker and is never waited for by a call. */
export interface UsageStore {
  /**
   * Totals of one caller over rows with `from <= ts < to` (epoch ms), after shipping what the journal
   * holds now.
   */
  totals(callerId: string, from: number, to: number): Promise<CallerTotals>;
  /** Whether the last attempt to ship worked. */
  readonly up: boolean;
  /** Calls are served whatever it is; a gateway whose schema is not `ok` is not ready. */
  readonly schema: SchemaState;
  /** Bytes of all journals that are not shipped; `null` while that is not known. */
  readonly unshippedBytes: number | null;
  readonly migrations: MigrationCounts;
  readonly counts: ShipCounts;
  readonly failures: ShipFailures;
  /** Ships what is left, within `timeoutMs`, and closes. */
  close(timeoutMs: number): Promise<void>;
}
