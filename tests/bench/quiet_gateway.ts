import { Calibration } from "@/core/calibration.ts";
import { loadConfig } from "@/core/config/load.ts";
import { formatProblems } from "@/core/config/problem.ts";
import { createFingerprints } from "@/core/fingerprints.ts";
import { liveConfig } from "@/core/config/reload.ts";
import { diskSources } from "@/core/config/sources.ts";
import { type GatewayOptions, startGateway } from "@/core/gateway.ts";
import { Ledger } from "@/core/limits/ledger.ts";
import { createLog } from "@/core/log.ts";
import { stopSignal } from "@/core/signals.ts";
import { dialects } from "@/dialects/mod.ts";
import { upstreams } from "@/plugins/mod.ts";
import { createPolicyRunner } from "@/policies/mod.ts";
import { openAppendFile } from "@/storage/append_file.ts";
import { feedbackSpools } from "@/storage/feedback_spool.ts";
import { openJournal } from "@/storage/journal.ts";
import { openStateKv } from "@/storage/state_kv.ts";
import { openLedgerStore } from "@/storage/ledger_store.ts";
import { strategies } from "@/strategies/mod.ts";

/** Nothing can be synced to `/dev/null`. */
const UNSYNCED = { sync: () => {}, syncLater: () => Promise.resolve() };

/** A gateway without plugins and without a store; lines of the journal go nowhere. */
export async function quietOptions(path: string): Promise<GatewayOptions> {
  const sources = diskSources({ env: () => undefined, now: Date.now });
  const load = () => loadConfig(path, sources, { dialects, strategies, builtins: upstreams });
  const initial = load();
  if (!initial.ok) throw new Error(formatProblems(initial.problems));
  const { snapshot } = initial;
  // Nothing is there that could be rotated.
  const logging = { ...snapshot.server.logging, rotateBytes: Infinity };
  const log = createLog(logging);
  const journal = openJournal(logging, {
    log,
    now: Date.now,
    shipped: false,
    openFile: () => ({ ...openAppendFile("/dev/null"), ...UNSYNCED }),
  });
  const clocks = { now: Date.now, clock: () => performance.now() };
  const ledger = new Ledger(clocks);
  return {
    config: liveConfig({ initial, load, log, prepare: () => Promise.resolve([]) }),
    dialects,
    builtins: upstreams,
    journal,
    store: null,
    ledger,
    ledgerStore: await openLedgerStore({ snapshot, ledger, journal, log, ...clocks }),
    calibration: new Calibration(),
    calibrationStore: null,
    state: await openStateKv(snapshot.server.ledger.path),
    conversationSalt: "bench",
    cacheStore: null,
    policies: createPolicyRunner({ log, ...clocks }),
    policyNotices: null,
    openSpool: feedbackSpools(logging.path, 0),
    log,
    build: { version: "bench", commit: "", builtAt: "" },
    replica: null,
    gatewayId: "gw_0000000000000000",
    fingerprints: createFingerprints(new Uint8Array(32)),
    tracer: null,
    fleet: null,
    plugins: [],
  };
}

async function serve(path: string): Promise<void> {
  const gateway = startGateway(await quietOptions(path));
  console.log(gateway.url);
  await stopSignal();
  await gateway.stop();
}

if (import.meta.main) await serve(Deno.args[0] ?? "");
