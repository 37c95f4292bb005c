import type { Adapters } from "../adapters.ts";
import { FollowedConfig } from "../config/followed.ts";
import { loadConfig, loadConfigAside } from "../config/load.ts";
import { formatProblems } from "../config/problem.ts";
import { keepRestartOnly } from "../config/restart_only.ts";
import { type ConfigFiles, givenSources } from "../config/sources.ts";
import { createLog, FIRST_LOG, printError } from "../log.ts";
import { CLOCKS } from "../gateway.ts";
import { openGateway, preparePolicies, startPolicies } from "../open_gateway.ts";
import type { World } from "../command.ts";
import type { Shipping, SupervisorSide, WorkerStart } from "./messages.ts";
import { ShippedStore } from "./shipped_store.ts";
import type { Serving } from "./worker.ts";

/** Opens one of several processes that serve. */
export async function serveBeside(
  start: WorkerStart,
  supervisor: SupervisorSide,
  { adapters, world }: { readonly adapters: Adapters; readonly world: Pick<World, "env" | "now"> },
): Promise<Serving> {
  const { worker, path, listen } = start;
  const log = createLog(FIRST_LOG, { now: world.now, line: printError, worker });
  const policies = adapters.createPolicyRunner(log);
  const parts = { ...adapters, policies, listen };
  const load = (files: ConfigFiles) => loadConfig(path, givenSources(files, world), parts);
  const [first, latest] = [load(start.first), load(start.latest)];
  if (!first.ok) throw new Error(formatProblems(first.problems));
  if (!latest.ok) throw new Error(formatProblems(latest.problems));
  const { snapshot } = keepRestartOnly(first.snapshot, latest.snapshot);
  log.configure(snapshot.server.logging);
  await startPolicies(policies, snapshot);
  const store = start.shipping && new ShippedStore(supervisor, start.shipping);
  const fleet = { worker, counts: () => supervisor.counts(), store };
  // Gateways that share a state have no clock in common but the wall's.
  const { exclusive } = snapshot.server.ledger;
  const origin = exclusive ? { origin: start.steady - CLOCKS.clock() } : {};
  const { gateway, config, plugins, storage } = await openGateway(
    { snapshot, log, policies, fleet, ...origin },
    adapters,
    (onSwap) =>
      new FollowedConfig({
        ...{ initial: snapshot, log, onSwap },
        load: (files) => loadConfigAside(path, givenSources(files, world), parts),
        prepare: (next) => preparePolicies(policies, next),
      }),
  );
  const ship = (shipping: Shipping) => {
    store?.update(shipping);
    storage.setUnshipped(shipping.unshippedBytes);
  };
  if (start.shipping) ship(start.shipping);
  return {
    url: gateway.url,
    configure: (files) => config.follow(files),
    counts: async () =>
      (await Promise.all(plugins.map((plugin) => plugin.counts?.() ?? []))).flat(),
    ship,
    stop: gateway.stop,
  };
}
