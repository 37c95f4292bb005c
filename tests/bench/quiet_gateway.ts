import type { GatewayStorage, StorageOptions } from "@/core/gateway_storage.ts";
import { loadConfig, loadConfigAside } from "@/core/config/load.ts";
import { formatProblems } from "@/core/config/problem.ts";
import { diskSources } from "@/core/config/sources.ts";
import type { Gateway } from "@/core/gateway.ts";
import { createLog } from "@/core/log.ts";
import { openAlone } from "@/core/open_gateway.ts";
import type { Plugin } from "@/core/plugin.ts";
import { stopSignal } from "@/core/signals.ts";
import { openAppendFile } from "@/storage/append_file.ts";
import { feedbackSpools } from "@/storage/feedback_spool.ts";
import { openJournal } from "@/storage/journal.ts";
import { openState } from "@/storage/open_state.ts";
import { ADAPTERS } from "../adapters.ts";

/** Nothing can be synced to `/dev/null`. */
const UNSYNCED = { sync: () => {}, syncLater: () => Promise.resolve() };

/** A gateway without plugins of its own and without a store; lines of its journal go nowhere. */
export async function openQuietGateway(
  path: string,
  plugins: readonly Plugin[] = [],
): Promise<Gateway> {
  const sources = diskSources({ env: () => undefined, now: Date.now });
  const initial = loadConfig(path, sources, ADAPTERS);
  const load = () => loadConfigAside(path, sources, ADAPTERS);
  if (!initial.ok) throw new Error(formatProblems(initial.problems));
  const log = createLog(initial.snapshot.server.logging);
  const policies = ADAPTERS.createPolicyRunner(log);
  const { gateway } = await openAlone({ initial, load, log, policies }, {
    ...ADAPTERS,
    createPlugins: () => plugins,
    openStorage: openQuietStorage,
  });
  return gateway;
}

async function serve(path: string): Promise<void> {
  const gateway = await openQuietGateway(path);
  console.log(gateway.url);
  await stopSignal();
  await gateway.stop();
}

async function openQuietStorage(options: StorageOptions): Promise<GatewayStorage> {
  // Nothing is there that could be rotated.
  const logging = { ...options.snapshot.server.logging, rotateBytes: Infinity };
  const journal = openJournal(logging, {
    log: options.log,
    now: Date.now,
    shipped: false,
    openFile: () => ({ ...openAppendFile("/dev/null"), ...UNSYNCED }),
  });
  return {
    journal,
    setUnshipped: () => {},
    store: null,
    state: await openState({ ...options, journal }),
    openSpool: feedbackSpools(logging.path, 0, 1),
  };
}

if (import.meta.main) await serve(Deno.args[0] ?? "");
