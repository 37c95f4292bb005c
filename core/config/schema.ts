import { z } from "zod";
import type { Registry } from "../registry.ts";
import type { Strategy } from "../strategy.ts";
import { block, filled, list, map, name } from "./kinds.ts";
import { callerSchema, membershipSchema, projectSchema, userSchema } from "./schema_accounts.ts";
import { groupSchema, groupSchemaOf } from "./schema_groups.ts";
import { providerSchema } from "./schema_models.ts";
import { serverSchema } from "./schema_server.ts";

const configSchema = block({
  server: serverSchema.prefault({}).describe("the server"),
  state_path: filled("path").default("./state/router.kv").describe(
    "Deno KV file with counters of limits, or the URL of a KV Connect server; restart-only",
  ),
  providers: map(name(), providerSchema).describe("upstreams by name"),
  models: map(name(), groupSchema).describe("model groups by name"),
  users: list(userSchema).default([]).describe("people and service accounts"),
  projects: list(projectSchema).default([]).describe("projects"),
  project_memberships: list(membershipSchema).default([]).describe("who is in which project"),
  callers: list(callerSchema).default([]).describe("who may call, by token"),
});

/** A configuration, read: defaults filled in, USD as nano-USD, times as `Date`, sizes as bytes. */
export type Config = z.infer<typeof configSchema>;

/**
 * The whole configuration file, with the keys of these strategies. The schema is the type, the
 * reference and the JSON Schema.
 */
export function configSchemaOf(strategies: Registry<Strategy>) {
  const models = map(name(), groupSchemaOf(strategies)).describe("model groups by name");
  return block({ ...configSchema.shape, models });
}

/** JSON Schema 2020-12 of the file, with descriptions and defaults. */
export function configJsonSchema(strategies: Registry<Strategy>): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(configSchemaOf(strategies), { io: "input", target: "draft-2020-12" });
}
