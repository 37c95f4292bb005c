import type { Snapshot } from "../snapshot.ts";
import { deepFreeze } from "./canonical.ts";

/** A snapshot that keeps what only a restart may change. */
export interface Merged {
  readonly snapshot: Snapshot;
  /** Keys whose new value waits for a restart. */
  readonly waiting: readonly string[];
}

/** Takes a new snapshot with the running one's restart-only values. */
export function keepRestartOnly(running: Snapshot, next: Snapshot): Merged {
  const { cache, ledger, listen, logging, retention, rollups, usageDb, workers } = running.server;
  const waiting = [
    differs("server.listen", listen, next.server.listen),
    differs("server.workers", workers, next.server.workers),
    differs("server.logging.path", logging.path, next.server.logging.path),
    differs("server.usage_db.enabled", usageDb.enabled, next.server.usageDb.enabled),
    differs("server.usage_db.driver", usageDb.driver, next.server.usageDb.driver),
    differs("server.usage_db.path", usageDb.path, next.server.usageDb.path),
    differs("server.usage_db.dsn", usageDb.dsn, next.server.usageDb.dsn),
    differs("server.ledger.shared", ledger.exclusive, next.server.ledger.exclusive),
    differs(
      "server.cache.second_level",
      cache.secondLevel.enabled,
      next.server.cache.secondLevel.enabled,
    ),
    differs("state_path", ledger.path, next.server.ledger.path),
    differs("server.rollups", rollups, next.server.rollups),
    differs("server.retention", retention, next.server.retention),
  ].flatMap((key) => key ?? []);
  if (waiting.length === 0) return { snapshot: next, waiting };
  const { enabled, driver, path, dsn } = usageDb;
  const server = {
    ...next.server,
    listen,
    workers,
    ledger: {
      ...next.server.ledger,
      shared: ledger.shared,
      exclusive: ledger.exclusive,
      path: ledger.path,
    },
    logging: { ...next.server.logging, path: logging.path },
    usageDb: { ...next.server.usageDb, enabled, driver, path, dsn },
    rollups,
    retention,
  };
  return { snapshot: deepFreeze({ ...next, server }), waiting };
}

function differs(key: string, before: unknown, after: unknown): string | null {
  return JSON.stringify(before) === JSON.stringify(after) ? null : key;
}
