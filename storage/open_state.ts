import { ExitError } from "../core/command.ts";
import type { Calibration } from "../core/calibration.ts";
import { keptSalt } from "../core/conversation.ts";
import type { GatewayState } from "../core/gateway_storage.ts";
import type { PolicyRunner } from "../core/policy_runner.ts";
import type { ServerSettings } from "../core/snapshot.ts";
import { stateError } from "../core/start_error.ts";
import { openCacheKv, readCacheKey } from "./cache_kv.ts";
import { openCalibrationKv } from "./calibration_kv.ts";
import { readIdentity } from "./gateway_identity.ts";
import { openKv } from "./ledger_kv.ts";
import { openLedgerStore } from "./ledger_store.ts";
import type { LedgerStoreOptions } from "./ledger_store_options.ts";
import { postPolicyNotices } from "./policy_board.ts";
import { createStateKv } from "./state_kv.ts";

/** What the state of a process that serves needs. */
export interface StateOptions extends LedgerStoreOptions {
  readonly calibration: Calibration;
  readonly policies: PolicyRunner;
  readonly replica: string | null;
}

/**
 * Opens what a process keeps in its state: one database for all of it, which closes with it.
 *
 * @throws {ExitError} that says why it cannot be used
 */
export async function openState(options: StateOptions): Promise<GatewayState> {
  const { ledger: settings } = options.snapshot.server;
  try {
    return await stateOn(await openKv(settings.path), options);
  } catch (error) {
    throw error instanceof ExitError ? error : stateError(settings, error);
  }
}

async function stateOn(kv: Deno.Kv, options: StateOptions): Promise<GatewayState> {
  const ledgerStore = await openLedgerStore(kv, options);
  const learned = await openCalibrationKv(kv, options);
  const facts = createStateKv(kv);
  const notices = postPolicyNotices(kv, options);
  return {
    ledgerStore,
    facts,
    cacheStore: await cacheIfOn(kv, options),
    ...await readIdentity(kv),
    conversationSalt: await keptSalt(facts),
    async close() {
      notices[Symbol.dispose]();
      await learned.close();
      await ledgerStore.close();
      kv.close();
    },
  };
}

/** The second level of the cache, where it is on. */
async function cacheIfOn(kv: Deno.Kv, { snapshot, log, now }: StateOptions) {
  const { enabled, secret: text }: ServerSettings["cache"]["secondLevel"] =
    snapshot.server.cache.secondLevel;
  if (!enabled) return null;
  const secret = readCacheKey(text);
  if (secret !== null) return await openCacheKv(kv, secret, { log, now });
  throw new ExitError(1, "Cannot open the cache: its key is not 32 bytes in hex or base64");
}
