import type { Parts } from "./call.ts";
import { memoOfObject } from "./memo.ts";
import type { Row } from "./record.ts";
import type { Credential, Group, Snapshot, Target } from "./snapshot.ts";

/** Columns that belong to a part of the configuration: made once, and frozen. */
function sectionsOf<Of extends object, With extends unknown[]>(
  columns: (of: Of, ...more: With) => Row,
): (of: Of, ...more: With) => Row {
  const made = new WeakMap<Of, Row>();
  return (of, ...more) => {
    let row = made.get(of);
    if (!row) made.set(of, row = Object.freeze(columns(of, ...more)));
    return row;
  };
}

/** Who called. */
export const callerColumns = sectionsOf(({ caller, tokenId }: Credential): Row => ({
  caller_id: caller.id,
  caller_user: caller.ownerUser,
  caller_project: caller.project,
  caller_environment: caller.environment,
  token_id: tokenId,
}));

/** What served: the gateway and its settings. */
export const snapshotColumns = sectionsOf((snapshot: Snapshot, parts: Parts): Row => ({
  gateway_id: parts.gatewayId,
  replica: parts.replica,
  router_version: parts.build.version,
  router_build_date: parts.build.builtAt || undefined,
  routing_config_fingerprint: snapshot.fingerprint,
  pricing_catalog_fingerprint: snapshot.pricingFingerprint,
}));

/** Where the call was sent by name. */
export const groupColumns = sectionsOf((group: Group): Row => ({
  resolved_group: group.name,
  strategy: group.strategy,
  model_group_config_fingerprint: group.fingerprint,
}));

/** Which target it reached, and at what prices. */
export const targetColumns = sectionsOf(({ prices, ...target }: Target): Row => ({
  target_provider: target.provider.name,
  target_ref: target.modelRef ?? undefined,
  target_model: target.model,
  target_dialect: target.dialect,
  target_region: target.region ?? undefined,
  target_index: target.groupIndex,
  target_validation_status: target.validation?.status,
  target_validation_workload: target.validation?.workload,
  pricing_source: prices.source,
  pricing_updated_at: prices.updatedAt,
  input_price_per_million_nusd: prices.input,
  cached_input_price_per_million_nusd: prices.cachedInput,
  cache_write_price_per_million_nusd: prices.cacheWrite,
  output_price_per_million_nusd: prices.output,
  image_input_price_per_million_tokens_nusd: prices.image,
  image_input_price_per_image_nusd: prices.perImage,
}));

/** Host of a target's provider; an in-process upstream has none. */
export const endpointHost = memoOfObject(({ provider: { baseUrl } }: Target): string =>
  URL.canParse(baseUrl) ? new URL(baseUrl).host : ""
);
