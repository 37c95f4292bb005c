import { resolve } from "node:path";
import type { ServerSettings } from "../snapshot.ts";
import { compileUsage } from "./compile_usage.ts";
import { parseListen } from "./listen.ts";
import type { CompileFacts } from "./parts.ts";
import type { Config } from "./schema.ts";
import type { ServerConfig } from "./schema_server.ts";

const MiB = 2 ** 20;

/** Turns `server` as written into settings; relative paths start at the folder, and `--listen` wins. */
export function compileServer(
  { server: config, state_path: statePath }: Pick<Config, "server" | "state_path">,
  { folder, lookup, listen = config.listen }: CompileFacts,
): ServerSettings {
  const { upstream, usage_db: usageDb, client_ip: clientIp } = config;
  return {
    listen: parseListen(listen)!,
    workers: config.workers,
    defaultModelGroup: config.default_model_group ?? null,
    tokenIssuer: config.token_issuer,
    conversationSalt: config.conversation_salt,
    exposeRouteHeaders: config.expose_route_headers,
    toleratesResponsesBody: config.openai_compatibility.tolerate_responses_body_on_chat_endpoint,
    exposeRejections: config.expose_rejections,
    maxRequestBytes: config.max_request_bytes,
    bodyTimeoutMs: config.body_timeout_ms,
    shutdownGraceMs: config.shutdown_grace_ms,
    maxResponseBytes: upstream.max_response_bytes,
    maxFrameBytes: upstream.max_frame_bytes,
    allowPrivateImageUrls: upstream.allow_private_image_urls,
    logging: compileLogging(config, folder),
    usageDb: {
      enabled: usageDb.enabled,
      driver: usageDb.driver,
      path: resolve(folder, usageDb.path),
      dsn: usageDb.dsn ?? null,
      migrationPolicy: usageDb.migration_policy ??
        (usageDb.driver === "sqlite" ? "auto-safe" : "deployment-job"),
      shipIntervalMs: usageDb.ship_interval_ms,
      shipBatch: usageDb.ship_batch,
    },
    cache: {
      enabled: config.cache.enabled,
      maxBytes: config.cache.max_bytes,
      maxEntryBytes: config.cache.max_entry_bytes,
      secondLevel: {
        enabled: config.cache.enabled && config.cache.second_level.enabled,
        maxEntryBytes: config.cache.second_level.max_entry_bytes,
        secret: lookup(config.cache.second_level.key_env) ?? "",
      },
    },
    ledger: compileLedger(config, statePath, folder),
    clientIp: {
      trustedProxyCidrs: clientIp.trusted_proxy_cidrs,
      headerOrder: clientIp.header_order.map((header) => header.toLowerCase()),
      storeIp: clientIp.store_ip,
    },
    metrics: {
      listen: config.metrics.listen === undefined ? null : parseListen(config.metrics.listen),
      callerLabel: config.metrics.caller_label,
    },
    policies: compilePolicies(config, folder),
    ...compileUsage(config),
  };
}

function compilePolicies(
  { policies }: ServerConfig,
  folder: string,
): ServerSettings["policies"] {
  const { faults, window_ms, open_ms, max_open_ms } = policies.quarantine;
  return {
    hosts: policies.hosts,
    watch: policies.watch,
    isolation: policies.isolation,
    trust: {
      // A policy in the gateway's own process can end it: only known authors may.
      required: policies.require_signature || policies.isolation === "worker",
      keys: policies.public_keys.map(({ key_id, path }) => ({
        keyId: key_id,
        path: resolve(folder, path),
      })),
    },
    quarantine: { faults, windowMs: window_ms, openMs: open_ms, maxOpenMs: max_open_ms },
  };
}

function compileLedger(
  { ledger, workers }: ServerConfig,
  statePath: string,
  folder: string,
): ServerSettings["ledger"] {
  const remote = isRemote(statePath);
  return {
    path: remote ? statePath : resolve(folder, statePath),
    shared: remote || ledger.shared || workers > 1,
    exclusive: !remote && !ledger.shared,
    onFailure: ledger.on_failure,
    graceMs: ledger.grace_ms,
  };
}

/** Whether a state store is a KV Connect server. */
function isRemote(statePath: string): boolean {
  return /^https?:\/\//i.test(statePath);
}

function compileLogging({ logging }: ServerConfig, folder: string): ServerSettings["logging"] {
  return {
    path: resolve(folder, logging.path),
    rotateBytes: logging.rotate_mb * MiB,
    keep: logging.keep,
    fsync: logging.fsync,
    fsyncIntervalMs: logging.fsync_interval_ms,
    maxUnshippedBytes: logging.max_unshipped_mb * MiB,
    onFull: logging.on_full,
    level: logging.level,
    format: logging.format,
  };
}
