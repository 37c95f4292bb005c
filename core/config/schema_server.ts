import type { z } from "zod";
import { USAGE_DRIVERS } from "../usage_driver.ts";
import {
  adminReports,
  decisionTelemetry,
  diagnostics,
  retention,
  rollups,
} from "./schema_usage.ts";
import {
  block,
  bytes,
  choice,
  cidr,
  dsn,
  dur,
  filled,
  flag,
  list,
  listen,
  ms,
  name,
  pattern,
  text,
  whole,
} from "./kinds.ts";
import { callerShapeSchema } from "./schema_shapes.ts";

const MiB = 2 ** 20;

const upstream = block({
  timeout_ms: ms().default(600_000)
    .describe("an attempt: to the last byte, or to a stream's first event"),
  default_attempt_timeout_ms: ms().default(0)
    .describe("tighter cap of each attempt; 0 = only `timeout_ms`"),
  stream_idle_timeout_ms: ms().default(120_000).describe("silence inside a stream; 0 = off"),
  max_response_bytes: bytes().default(32 * MiB).describe(
    "largest unary reply, and most of a stream before its content",
  ),
  max_frame_bytes: bytes().default(8 * MiB).describe("largest frame of a stream"),
  allow_private_image_urls: flag().default(false)
    .describe("true turns the check of image addresses off"),
});

const logging = block({
  path: filled("path").default("./state/journal/requests.jsonl")
    .describe("the journal; restart-only"),
  rotate_mb: whole(1).default(256).describe("size of a journal segment, MiB"),
  keep: whole().default(14).describe("segments kept; only shipped ones are removed"),
  fsync: choice(["interval", "call"]).default("interval")
    .describe("`call`: before the last byte of each call"),
  fsync_interval_ms: ms().default(1000).describe("time between two syncs to disk"),
  max_unshipped_mb: whole().default(4096).describe("journal not yet shipped, MiB; 0 = no bound"),
  on_full: choice(["refuse", "warn"]).default("refuse")
    .describe("beyond that bound: 503 `journal-unavailable`, or a warning"),
  level: choice(["debug", "info", "warn", "error"]).default("info")
    .describe("least level of console lines"),
  format: choice(["json", "text"]).default("json").describe("form of console lines"),
});

const usageDb = block({
  enabled: flag().default(true).describe("off: the journal is still written; restart-only"),
  driver: choice(USAGE_DRIVERS).default("sqlite").describe("database; restart-only"),
  path: filled("path").default("./state/usage.sqlite")
    .describe("file of `sqlite` (0600); restart-only"),
  dsn: dsn().optional().describe(
    "URL of `postgres`, normally `${ROUTER_USAGE_DB_DSN}`; restart-only",
  ),
  migration_policy: choice(["auto-safe", "validate", "deployment-job"]).optional().describe(
    "what a start does to the schema: applies what is safe, exits unless it is current, or waits " +
      "for `migrate apply`; unset: `auto-safe` on sqlite, `deployment-job` on postgres",
  ),
  ship_interval_ms: ms().default(250).describe("time between two shipments of journal lines"),
  ship_batch: whole(1).default(500).describe("lines per transaction"),
});

const cache = block({
  enabled: flag().default(false).describe("answers equal unary requests from memory"),
  scope: choice(["caller", "project", "group"]).default("caller").describe("who shares an entry"),
  default_ttl: dur().prefault("15m").describe("how long a reply is given again"),
  max_bytes: bytes().prefault("128MiB").describe(
    "replies in memory; the least recently read go first",
  ),
  max_entry_bytes: bytes().prefault("1MiB").describe("larger replies are not kept"),
  second_level: block({
    enabled: flag().default(false).describe("also in `state_path`, encrypted; restart-only"),
    max_entry_bytes: bytes().prefault("512KiB").describe("larger replies stay in memory only"),
    key_env: pattern("string", /^[A-Za-z_][A-Za-z0-9_]*$/, "the name of a variable")
      .default("POINTSMAN_CACHE_KEY").describe(
        "variable with 32 bytes, hex or base64; restart-only",
      ),
  }).prefault({}),
});

const trafficShape = block({
  enabled: flag().default(true).describe("false: only callers with a block of their own are paced"),
  default_caller: callerShapeSchema.optional().describe("their block"),
});

const ledger = block({
  shared: flag().default(false)
    .describe("other processes use the same `state_path`; always so for a URL; restart-only"),
  on_failure: choice(["refuse", "grace"]).default("refuse")
    .describe("limited callers while the store is down: 503 `quota-store-unavailable`, or go on"),
  grace_ms: ms().default(30_000).describe("how long they go on, with `grace`"),
});

const clientIp = block({
  trusted_proxy_cidrs: list(cidr()).default([])
    .describe("forwarded headers count only from these peers"),
  header_order: list(pattern("string", /^[A-Za-z0-9-]{1,64}$/, "a header name"))
    .default(["X-Forwarded-For", "X-Real-IP"]).describe("first header that is present wins"),
  store_ip: flag().default(true).describe("whether usage rows hold the caller's address"),
});

const metrics = block({
  listen: listen().optional()
    .describe("a second listener that serves only `/metrics`, without authentication"),
  caller_label: flag().default(false).describe("metrics per caller: the 200 busiest and `other`"),
});

const compatibility = block({
  tolerate_responses_body_on_chat_endpoint: flag().default(false)
    .describe("whether a Responses body on the Chat path is a Responses call, not a 400"),
});

const eligibility = block({
  unknown_limits: choice(["allow", "reject"]).default("allow")
    .describe("whether a target without `context_tokens` is used"),
});

const quarantine = block({
  faults: whole(1).default(5).describe("faults within the window after which it is not asked"),
  window_ms: ms().default(60_000).describe("length of that window"),
  open_ms: ms().default(30_000).describe("how long it is not asked at first; then doubling"),
  max_open_ms: ms().default(900_000).describe("longest time it is not asked"),
});

const publicKey = block({
  key_id: pattern("string", /^[A-Za-z0-9._-]{1,64}$/, "1 to 64 of A-Z, a-z, 0-9, ., _ and -")
    .describe("name that signatures call it by"),
  path: filled("path").describe("its PEM file: Ed25519"),
});

const policies = block({
  hosts: whole(1, 16).default(2).describe("processes for each policy"),
  isolation: choice(["process", "worker"]).default("process").describe(
    "`worker`: in threads of the gateway, which saves memory but not the gateway from crashes; " +
      "signed policies with `script_timeout_ms` <= 100 only",
  ),
  watch: flag().default(true).describe("a changed source comes into force by itself"),
  require_signature: flag().default(false).describe("refuses policies that nobody signed"),
  public_keys: list(publicKey).default([]).describe("who may sign policies"),
  quarantine: quarantine.prefault({}).describe("when a policy that fails is left alone"),
});

/** Keys of `server`. */
export const serverSchema = block({
  listen: listen().default("127.0.0.1:8080")
    .describe("`host:port`, `[v6]:port`; `:port` is every interface; restart-only"),
  workers: whole(1, 64).default(1).describe(
    "serving processes on the port; they share every limit; restart-only",
  ),
  default_model_group: name().optional().describe("group of a call that omits `model`"),
  token_issuer: pattern("string", /^[a-z0-9-]{1,32}$/, "1 to 32 of a-z, 0-9 and -")
    .default("pointsman").describe("issuer part of generated tokens, `[a-z0-9-]{1,32}`"),
  conversation_salt: text().default("")
    .describe("secret mixed into the keys of conversations; unset: made once, kept in the state"),
  expose_route_headers: flag().default(true)
    .describe("false hides `x-router-provider` and `x-router-model`"),
  expose_rejections: flag().default(false)
    .describe("true names targets and reasons in `no-eligible-target`"),
  max_request_bytes: bytes().default(32 * MiB).describe("beyond: 413 `request-too-large`"),
  body_timeout_ms: ms().default(30_000).describe(
    "to receive a body; beyond: 408 `request-timeout`",
  ),
  shutdown_grace_ms: ms().default(30_000)
    .describe("calls in flight may finish, then are cut and settled"),
  upstream: upstream.prefault({}).describe("limits of upstream calls"),
  eligibility: eligibility.prefault({}).describe("which targets may serve"),
  logging: logging.prefault({}).describe("the journal and the console"),
  usage_db: usageDb.prefault({}).describe("the usage database"),
  policies: policies.prefault({}).describe("hosts of policies in TypeScript"),
  cache: cache.prefault({}).describe("replies that are given again"),
  traffic_shape: trafficShape.prefault({}).describe("pace of callers without a block of their own"),
  ledger: ledger.prefault({}).describe("the counters of limits"),
  client_ip: clientIp.prefault({}).describe("how a caller's address is found"),
  metrics: metrics.prefault({}).describe("what `/metrics` says, and to whom"),
  openai_compatibility: compatibility.prefault({}).describe("tolerance for odd clients"),
  diagnostics: diagnostics.prefault({}).describe("what is kept of a call besides its usage"),
  decision_telemetry: decisionTelemetry.prefault({}).describe("what is recorded of decisions"),
  rollups: rollups.prefault({}).describe("sums by hour, day and month; restart-only"),
  retention: retention.prefault({}).describe("which rows are deleted, and when; restart-only"),
  admin_reports: adminReports.prefault({}).describe("reports"),
}, [
  "signals",
  "content_capture",
  "admin_auth",
  "license",
]);

/** `server`, read. */
export type ServerConfig = z.infer<typeof serverSchema>;
