import type { z } from "zod";
import { block, choice, flag, id, list, name, pattern, text, time } from "./kinds.ts";
import { keySchema, quotaSchema, rateSchema } from "./schema_limits.ts";
import { callerShapeSchema } from "./schema_shapes.ts";

const STATUS = ["active", "disabled", "suspended", "removed", "archived"] as const;

const status = () => choice(STATUS).default("active").describe("only `active` ones may call");
const tokenSha256 = () =>
  pattern("64 hex", /^[0-9a-fA-F]{64}$/, "64 hex digits").describe("SHA-256 of the whole token");
const tokenId = () =>
  pattern("string", /^[\x21-\x7e]{1,512}$/, "visible ASCII characters").optional()
    .describe("public prefix of the token");

const sharedLimits = {
  rate: rateSchema.prefault({}).describe("shared by all its callers"),
  quota: quotaSchema.prefault({}).describe("shared by all its callers"),
};

/** Keys of `users[]`. */
export const userSchema = block({
  id: id().describe("compared in lower case"),
  name: text().optional().describe("label"),
  type: choice(["person", "service_account"]).default("person").describe("who that is"),
  status: status(),
  ...sharedLimits,
});

/** Keys of `projects[]`. */
export const projectSchema = block({
  id: id().describe("compared in lower case"),
  name: text().optional().describe("label"),
  status: status(),
  ...sharedLimits,
});

/** Keys of `project_memberships[]`. */
export const membershipSchema = block({
  user_id: id().describe("id of a user"),
  project: id().describe("id of a project"),
  role: text().optional().describe("free text"),
  status: status(),
});

/** Keys of `callers[]`. */
export const callerSchema = block({
  id: id().describe("counters belong to it: keep it over a rotation"),
  owner_user: id().default("default").describe("an active user, once any account is declared"),
  project: id().default("default").describe("an active project, once any account is declared"),
  environment: id().default("default").describe("label"),
  status: choice([...STATUS, "expired", "rotated"]).default("active")
    .describe("only `active` ones may call"),
  expires_at: time().optional().describe("afterwards `key-expired`"),
  token_sha256: tokenSha256(),
  token_id: tokenId(),
  previous_tokens: list(block({
    token_sha256: tokenSha256(),
    token_id: tokenId(),
    valid_until: time().describe("at most 30 days ahead"),
  })).max(2, { error: "expected at most 2 entries" }).default([])
    .describe("tokens that stay valid for a while"),
  allow: list(name()).default([]).describe("groups it may use; empty = none; no wildcard"),
  metrics_admin: flag().default(false).describe("may read `/metrics`"),
  rate: rateSchema.prefault({}).describe("limits of the last minute and of now"),
  quota: quotaSchema.prefault({}).describe("limits of the UTC day and month"),
  key: keySchema.prefault({}).describe("limits for ever"),
  traffic_shape: callerShapeSchema.optional()
    .describe("pace of its calls; unset: `server.traffic_shape.default_caller`"),
}, [
  "content_admin",
  "peer",
  "content_capture",
]);

/** A caller, read. */
export type CallerConfig = z.infer<typeof callerSchema>;
