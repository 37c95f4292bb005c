import type { Adapters } from "./adapters.ts";
import { Calibration } from "./calibration.ts";
import { ExitError } from "./command.ts";
import type { LoadResult } from "./config/load.ts";
import { formatProblems, type Problem } from "./config/problem.ts";
import { type ConfigInForce, type LiveConfig, liveConfig } from "./config/reload.ts";
import { createFingerprints } from "./fingerprints.ts";
import { applySettings, CLOCKS, type Gateway, startGateway } from "./gateway.ts";
import type { GatewayStorage } from "./gateway_storage.ts";
import { Ledger } from "./limits/ledger.ts";
import type { Log } from "./log.ts";
import type { Plugin } from "./plugin.ts";
import { policyGroups } from "./policy_groups.ts";
import type { PolicyRunner } from "./policy_runner.ts";
import type { UsageStore } from "./record.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Fleet } from "./workers/fleet.ts";

/** A process that serves, alone or as one of several. */
export interface Seat {
  readonly snapshot: Snapshot;
  readonly log: Log;
  readonly policies: PolicyRunner;
  /** `null`: it serves alone. */
  readonly fleet: FleetSeat | null;
  /** See `LedgerWorld`. */
  readonly origin?: number;
}

/** What one of several processes has of the others. */
interface FleetSeat extends Fleet {
  /** The usage database that somebody else ships to; `null`: it is off. */
  readonly store: UsageStore | null;
}

/** A gateway, and what it was put together from. */
export interface OpenGateway<Config extends ConfigInForce> {
  readonly gateway: Gateway;
  readonly config: Config;
  readonly plugins: readonly Plugin[];
  readonly storage: GatewayStorage;
}

/** What the one process of a gateway starts with. */
export interface AloneOptions {
  readonly initial: LoadResult & { readonly ok: true };
  load(): Promise<LoadResult>;
  readonly log: Log;
  readonly policies: PolicyRunner;
}

/** Opens a gateway of one process, which follows its files. @throws {ExitError} that says why not */
export async function openAlone(
  { initial, load, log, policies }: AloneOptions,
  adapters: Adapters,
): Promise<OpenGateway<LiveConfig>> {
  const { snapshot } = initial;
  await startPolicies(policies, snapshot);
  const prepare = (next: Snapshot) => preparePolicies(policies, next);
  return await openGateway(
    { snapshot, log, policies, fleet: null },
    adapters,
    (onSwap) => liveConfig({ initial, load, log, prepare, onSwap }),
  );
}

/** Puts a process that serves together; `configOf` makes what keeps its configuration in force. */
export async function openGateway<Config extends ConfigInForce>(
  seat: Seat,
  adapters: Adapters,
  configOf: (onSwap: (snapshot: Snapshot) => void) => Config,
): Promise<OpenGateway<Config>> {
  const { snapshot, log, policies, fleet, origin } = seat;
  const { dialects, builtins, build, replica } = adapters;
  const plugins = adapters.createPlugins();
  const tracer = await adapters.createTracer(log);
  const ledger = new Ledger({ ...CLOCKS, ...origin === undefined ? {} : { origin } });
  const calibration = new Calibration();
  const storage = await adapters.openStorage({
    ...{ snapshot, log, ledger, calibration, policies, fleet, replica, ...CLOCKS },
    routerVersion: build.version,
    onBatch: (ms) => plugins.forEach((plugin) => plugin.onShipped(ms)),
  });
  const config = configOf((next) => applySettings(next, { log, storage, plugins, policies }));
  const gateway = startGateway({
    ...{ config, dialects, builtins, storage, ledger, calibration, policies, log, build, replica },
    ...{ tracer, plugins, fleet },
    store: fleet ? fleet.store : storage.store,
    fingerprints: createFingerprints(adapters.fingerprintKey ?? storage.state.fingerprintKey),
  });
  return { gateway, config, plugins, storage };
}

/** Makes the policies of a configuration ready; gives what is wrong with them. */
export function preparePolicies(
  policies: PolicyRunner,
  snapshot: Snapshot,
): Promise<readonly Problem[]> {
  return policies.prepare(policyGroups(snapshot), snapshot.server.policies);
}

/** Brings the policies of the first configuration into force. @throws {ExitError} that says why not */
export async function startPolicies(policies: PolicyRunner, snapshot: Snapshot): Promise<void> {
  const problems = await preparePolicies(policies, snapshot);
  if (problems.length > 0) {
    await policies.close();
    throw new ExitError(1, formatProblems(problems));
  }
  policies.adopt(policyGroups(snapshot), snapshot.server.policies);
}
