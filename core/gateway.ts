import { Affinity } from "./affinity.ts";
import { Bag } from "./bag.ts";
import { ReplyCache } from "./cache/reply_cache.ts";
import type { Calibration } from "./calibration.ts";
import type { Build, Parts, Tracer } from "./call.ts";
import type { ConfigInForce } from "./config/reload.ts";
import { ContractWatch } from "./contract_watch.ts";
import { createDeadlines } from "./deadlines.ts";
import type { Dialect } from "./dialect.ts";
import { Health } from "./health.ts";
import { createHedgeBudget } from "./hedge_budget.ts";
import { CallerShapes } from "./limits/caller_shapes.ts";
import { UpstreamShapes } from "./limits/upstream_shapes.ts";
import type { Fingerprints } from "./fingerprints.ts";
import type { GatewayStorage } from "./gateway_storage.ts";
import type { Ledger } from "./limits/ledger.ts";
import type { Log } from "./log.ts";
import { newId } from "./new_id.ts";
import type { Plugin } from "./plugin.ts";
import type { PolicyRunner } from "./policy_runner.ts";
import type { UsageStore } from "./record.ts";
import type { Registry } from "./registry.ts";
import { createProofMemory } from "./proof_memory.ts";
import { policyGroups } from "./policy_groups.ts";
import { createRetryBudget } from "./retry.ts";
import { RolloutGuard } from "./rollout_guard.ts";
import { Shadows } from "./shadow.ts";
import { type Server, startServer } from "./server.ts";
import type { Snapshot } from "./snapshot.ts";
import { createDecisionLog, type DecisionLog } from "./telemetry/decision_log.ts";
import { type BuiltinUpstream, createUpstreamFetch } from "./upstream.ts";
import type { Fleet } from "./workers/fleet.ts";

/** Clocks of the process: epoch ms, and monotonic ms. */
export const CLOCKS = { now: Date.now, clock: () => performance.now() };

/** Time to ship what is left when the gateway ends, ms. */
export const SHIP_MS = 10_000;

/** What a gateway is made of; `main.ts` knows the names. */
export interface GatewayOptions {
  readonly config: ConfigInForce;
  readonly dialects: Registry<Dialect>;
  readonly builtins: Registry<BuiltinUpstream>;
  readonly storage: Omit<GatewayStorage, "store" | "setUnshipped">;
  readonly store: UsageStore | null;
  readonly ledger: Ledger;
  readonly calibration: Calibration;
  readonly policies: PolicyRunner;
  readonly log: Log;
  readonly build: Build;
  readonly replica: string | null;
  readonly fingerprints: Fingerprints;
  /** `null` when calls are not traced; a caller's trace headers are passed on then. */
  readonly tracer: Tracer | null;
  readonly plugins: readonly Plugin[];
  /** `null` where no other process serves beside this one. */
  readonly fleet: Fleet | null;
}

/** A running gateway. */
export interface Gateway {
  readonly url: string;
  /** Drains, then closes the journal and the store; called again, it does not wait for calls. */
  stop(): Promise<void>;
}

/** Starts listening. */
export function startGateway(options: GatewayOptions): Gateway {
  const { config, plugins, fleet } = options;
  const decisions = createDecisionLog({
    ...options,
    journal: options.storage.journal,
    now: CLOCKS.now,
  });
  const parts = partsOf(options, decisions);
  options.policies.deliver(options.storage.openSpool);
  for (const plugin of plugins) plugin.start(parts, config);
  const { listen } = config.current().server;
  const server = startServer(parts, { listen, plugins, reusePort: fleet !== null });
  const contracts = watchContracts(options);
  let stopping: Promise<void> | null = null;
  return {
    url: server.url,
    stop() {
      if (stopping) void server.drain(0);
      parts.rollouts[Symbol.dispose]();
      contracts?.[Symbol.dispose]();
      stopping ??= stopAll(server, decisions, options);
      return stopping;
    },
  };
}

/** One of several processes speaks for all of them. */
function watchContracts({ config, log, fleet }: GatewayOptions): ContractWatch | null {
  if (fleet !== null && fleet.worker !== 1) return null;
  return new ContractWatch({
    log,
    now: CLOCKS.now,
    groups: () => config.current().groups.values(),
  });
}

async function stopAll(
  server: Server,
  decisions: DecisionLog,
  options: GatewayOptions,
): Promise<void> {
  const { config, storage, store, plugins, policies } = options;
  await server.drain(config.current().server.shutdownGraceMs);
  await storage.state.close();
  decisions.flush();
  options.tracer?.flush();
  await storage.journal.close();
  await store?.close(SHIP_MS);
  await policies.close();
  for (const plugin of plugins) await plugin.stop();
  config[Symbol.dispose]();
}

function partsOf(options: GatewayOptions, decisions: DecisionLog): Parts {
  const { config, calibration, log } = options;
  const { journal, state } = options.storage;
  const { now, clock } = CLOCKS;
  const random = Math.random;
  const processes = () => state.ledgerStore.processes;
  const shapes = new UpstreamShapes({ clock, random, processes });
  return {
    current: () => config.current(),
    dialects: options.dialects,
    fetch: createUpstreamFetch(options.builtins),
    journal,
    store: options.store,
    ledger: options.ledger,
    ledgerStore: state.ledgerStore,
    cache: new ReplyCache(state.cacheStore, now),
    callerShapes: new CallerShapes({ clock, processes }),
    upstreamShapes: shapes,
    policies: options.policies,
    health: new Health({ now, clock, random, shapes, calibration, log }),
    calibration,
    proofs: createProofMemory(),
    affinity: new Affinity(clock),
    rollouts: new RolloutGuard({
      state: state.facts,
      log,
      clock,
      groups: () => config.current().groups.values(),
      digestOf: (group) => options.policies.digestOf(group),
    }),
    shadows: new Shadows(journal),
    conversationSalt: state.conversationSalt,
    log,
    build: options.build,
    live: new Bag(),
    retries: createRetryBudget(clock),
    hedges: createHedgeBudget(),
    deadlines: createDeadlines(clock),
    now,
    clock,
    random,
    newId: () => newId(now()),
    resolve: resolveHost,
    tracer: options.tracer,
    watchers: [decisions, ...options.plugins],
    drain: { draining: false },
    replica: options.replica,
    fleet: options.fleet,
    gatewayId: state.gatewayId,
    fingerprints: options.fingerprints,
  };
}

/** What a reload may change in parts that live longer than a snapshot. */
export function applySettings(
  { server, groups }: Snapshot,
  { log, storage, plugins, policies }: Pick<
    GatewayOptions,
    "log" | "storage" | "plugins" | "policies"
  >,
) {
  storage.state.ledgerStore.configure(server.ledger);
  log.configure(server.logging);
  storage.journal.configure(server.logging);
  for (const plugin of plugins) plugin.configure(server);
  policies.adopt(policyGroups({ groups }), server.policies);
}

/** A host may have addresses of one family only; it has none when both look-ups fail. */
async function resolveHost(hostname: string, signal: AbortSignal): Promise<readonly string[]> {
  const answers = await Promise.allSettled([
    Deno.resolveDns(hostname, "A", { signal }),
    Deno.resolveDns(hostname, "AAAA", { signal }),
  ]);
  const found = answers.flatMap((answer) => answer.status === "fulfilled" ? answer.value : []);
  if (found.length === 0) throw new Error("Cannot resolve the host name");
  return found;
}
