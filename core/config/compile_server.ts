import { resolve } from "node:path";
import type { ServerSettings } from "../snapshot.ts";
import { compileUsage } from "./compile_usage.ts";
import { parseListen } from "./listen.ts";
import type { CompileFacts } from "./parts.ts";
import type { ServerConfig } from "./schema_server.ts";

const MiB = 2 ** 20;

/** Turns `server` as written into settings; relative paths start at the folder, and `--listen` wins. */
export function compileServer(
  config: ServerConfig,
  { folder, listen = config.listen }: CompileFacts,
): ServerSettings {
  const { upstream, usage_db: usageDb, client_ip: clientIp } = config;
  return {
    listen: parseListen(listen)!,
    defaultModelGroup: config.default_model_group ?? null,
    tokenIssuer: config.token_issuer,
    exposeRouteHeaders: config.expose_route_headers,
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
    clientIp: {
      trustedProxyCidrs: clientIp.trusted_proxy_cidrs,
      headerOrder: clientIp.header_order.map((header) => header.toLowerCase()),
      storeIp: clientIp.store_ip,
    },
    metrics: {
      listen: config.metrics.listen === undefined ? null : parseListen(config.metrics.listen),
      callerLabel: config.metrics.caller_label,
    },
    ...compileUsage(config),
  };
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
