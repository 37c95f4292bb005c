import type { UsageDbSettings } from "../core/snapshot.ts";
import type { Engine } from "./engine.ts";

/** A value of a row. */
export type Value = string | number | bigint | null;

/**
 * A row to insert: names and values in the same order. Columns that are left out take their default;
 * rows of one shape share one array of names.
 */
export interface NewRow {
  readonly columns: readonly string[];
  readonly values: readonly Value[];
}

/** What runs statements; their places are `$1`, `$2`, ... in order. */
export interface Queries {
  /** Runs one statement; integers come as bigint. A sum that 64 bits do not hold may come as its digits. */
  query(sql: string, ...values: readonly Value[]): Promise<Record<string, Value>[]>;
  /**
   * Inserts rows of one table that are not there by their key.
   *
   * @returns how many were new
   */
  insert(table: string, rows: readonly NewRow[]): Promise<number>;
  /** Deletes the rows of one table whose column, a text, has one of these values. */
  remove(table: string, column: string, values: readonly string[]): Promise<void>;
}

/** What can also do several things at once or not at all. */
export interface Transactional extends Queries {
  /** Runs work in one transaction; an error undoes it. Nothing else runs on it meanwhile. */
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
}

/** What can also keep other processes from doing the same. */
export interface Lockable extends Transactional {
  /**
   * Runs work while no other process does the same on this database.
   *
   * @throws SchemaError `migration-locked` when another one still does after `lockTimeoutMs`
   */
  exclusively<T>(
    timeouts: { readonly lockMs: number; readonly statementMs: number },
    work: (database: Transactional) => Promise<T>,
  ): Promise<T>;
}

/** An open usage database. Both drivers pass the same suite. */
export interface UsageDatabase extends Lockable, AsyncDisposable {
  readonly engine: Engine;
  /** Makes what was committed survive a loss of power. */
  makeDurable(): Promise<void>;
  /** Whether a row was refused for its values, so that a repeat cannot help. */
  isContentError(error: unknown): boolean;
}

/** Which database, and how to reach it. */
export type DatabasePlace = Pick<UsageDbSettings, "driver" | "path" | "dsn">;

/** What a database is opened for: a reader cannot write, and its queries end sooner. */
export type Purpose = "read" | "write";
