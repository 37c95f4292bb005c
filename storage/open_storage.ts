import type { GatewayStorage, StorageOptions } from "../core/gateway_storage.ts";
import { feedbackSpools } from "./feedback_spool.ts";
import { openState } from "./open_state.ts";
import { HELD_MS, openJournalOrExit, openStoreIfOn } from "./start.ts";

/**
 * Opens all that a process that serves keeps: its journal, its state, and the usage database unless
 * somebody else ships to it.
 *
 * @throws {ExitError} that says what cannot be used
 */
export async function openStorage(options: StorageOptions): Promise<GatewayStorage> {
  const { snapshot: { server }, log, now, fleet, routerVersion, onBatch } = options;
  const writer = fleet?.worker ?? 0;
  const world = { log, now, writer };
  const journal = await openJournalOrExit(server, world, fleet ? HELD_MS : 0);
  const { setUnshipped } = journal;
  const state = await openState({ ...options, journal });
  const told = { log, routerVersion, onBatch, onStatus: setUnshipped };
  // The last of all: its thread starts when the gateway listens.
  const store = fleet ? null : openStoreIfOn(server, told);
  return {
    journal,
    setUnshipped,
    store,
    state,
    openSpool: feedbackSpools(server.logging.path, writer, server.workers),
  };
}
