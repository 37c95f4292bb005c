import { z } from "zod";
import { parsePrivateGrant } from "../egress.ts";
import {
  block,
  bytes,
  choice,
  filled,
  flag,
  headers,
  list,
  ms,
  notation,
  numeric,
  whole,
} from "./kinds.ts";

/** URL of a server that the gateway asks. */
function url() {
  const error = 'expected a URL such as "https://policy.example/decide", without user or fragment';
  return z.string({ error }).refine(isPlainUrl, { error, params: { code: "bad-format" } })
    .register(notation, { type: "URL" });
}

function isPlainUrl(text: string): boolean {
  const parsed = URL.canParse(text) ? new URL(text) : null;
  return parsed !== null && ["http:", "https:"].includes(parsed.protocol) &&
    parsed.username === "" && parsed.password === "" && parsed.hash === "";
}

/** A block of addresses and a port. */
function privateGrant() {
  const error = 'expected "10.20.0.0/16:8443" or "[fd00::/8]:443"';
  return z.string({ error }).refine((grant) => parsePrivateGrant(grant) !== null, {
    error,
    params: { code: "bad-format" },
  }).register(notation, { type: "cidr:port" });
}

const breaker = block({
  consecutive_failures: whole(1).default(5).describe("failures in a row that open it"),
  error_rate: numeric("ratio", 0, 1).default(0.5).describe("or: share of failures in the window"),
  min_requests: whole(1).default(20).describe("least decisions in the window for that share"),
  window_ms: ms().default(10_000).describe("length of the window"),
  open_ms: ms().default(5_000).describe("how long it is not asked at first"),
  max_open_ms: ms().default(60_000).describe("longest time it is not asked"),
});

const spool = block({
  max_bytes: bytes().default(16 * 2 ** 20).describe("what is kept; the oldest go first"),
  max_age_ms: ms().default(86_400_000).describe("older lines are dropped"),
});

const feedback = block({
  enabled: flag().default(false).describe("whether the policy is told what became of calls"),
  url: url().optional().describe("unset: the policy's, with the last segment `feedback`"),
  timeout_ms: whole(1, 5000).default(500).describe("connect to last byte"),
  max_retries: whole(0, 5).default(2).describe("tries at once, before longer waits"),
  retry_backoff_ms: ms().default(100).describe("first wait; doubles, to 60 s at most"),
  max_request_bytes: bytes().default(4096).describe("longer lines are dropped"),
  on_delivery_failure: choice(["log", "ignore"]).default("log")
    .describe("whether the log tells of it"),
  spool: spool.prefault({}).describe("lines that wait, beside the journal"),
});

/** A policy that another server holds, wherever a group names one. */
export const externalPolicy = block({
  url: url().describe(
    "where the context is posted to; `http` to this machine, or with `allow_http`",
  ),
  allow_hosts: list(filled("host")).describe("exact names of all hosts it may name"),
  allow_http: flag().default(false).describe("plain HTTP beyond this machine"),
  allow_private: list(privateGrant()).default([])
    .describe("addresses that are not public, and the port; this machine is always allowed"),
  timeout_ms: whole(1, 5000).default(500).describe("connect to last byte"),
  max_response_bytes: bytes().default(65_536).describe("counted while it is read"),
  headers: headers().default({})
    .describe("sent with each request; never recorded, so `${NAME}` may stand in them"),
  include_request: flag().default(false).describe("the group's `include_request`"),
  breaker: breaker.prefault({}).describe("when a policy that fails is left alone"),
  verdict_cache: block({
    ttl_ms: ms().default(0).describe("0 = off"),
  }).prefault({}).describe("plans that are used again, by conversation and eligible targets"),
  feedback: feedback.prefault({}).describe("what became of the calls"),
});

/** Such a policy, read. */
export type ExternalPolicyConfig = z.infer<typeof externalPolicy>;
