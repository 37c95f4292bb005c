import type { Arrival } from "./accept.ts";
import { modelNotAllowed } from "./admit.ts";
import { errorAnswer, idHeaders, json } from "./answer.ts";
import { authenticate, keyError } from "./auth.ts";
import type { Parts } from "./call.ts";
import type { Dialect, ModelCatalog } from "./dialect.ts";
import { visit as enter } from "./engine.ts";
import { GatewayError } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import type { Moment } from "./limits/moment.ts";
import { budgetOf, keyState, quotaState, type Scope } from "./limits/standing.ts";
import { limitsView } from "./limits/usage_view.ts";
import { catalogModel } from "./list_models.ts";
import { type Period, periodAt } from "./period.ts";
import type { Credential, Snapshot } from "./snapshot.ts";
import type { CallerTotals } from "./record.ts";

/** What an endpoint that is no call needs: the dialect is the one its answer is in. */
export interface Visit extends Arrival {
  readonly dialect: Dialect;
  /** The last segment, for paths that name a thing; else empty. */
  readonly name: string;
}

/** Answers a request that is no call. */
export type Endpoint = (parts: Parts, visit: Visit) => Response | Promise<Response>;

/**
 * Who asks, if its key may be used now.
 *
 * @throws {Unauthorized} without a valid token
 * @throws {GatewayError} `key-*`
 */
export function identify(
  parts: Parts,
  { request }: Arrival,
): { snapshot: Snapshot; who: Credential } {
  const snapshot = parts.current();
  const who = authenticate(request.headers, snapshot);
  const refused = keyError(who, parts.now());
  if (refused) throw refused;
  return { snapshot, who };
}

const privately = (id: string, dialect: Dialect) => ({
  ...idHeaders(dialect, id),
  "cache-control": "no-store",
});

/** `GET /v1/models`: the groups the caller may use, in config order. */
export const listModels: Endpoint = async (parts, visit) => {
  const { snapshot, credential } = await enter(parts, visit.dialect, visit);
  const listed = listedFor(snapshot, credential).map((group) => group.listed);
  const query = new URLSearchParams(visit.search);
  return json(visit.dialect.encodeModelList(listed, query), {
    headers: privately(visit.id, visit.dialect),
  });
};

/** `GET /v1/models/{id}`: one of them; any other id is refused as a call to it would be. */
export const showModel: Endpoint = async (parts, visit) => {
  const { snapshot, credential } = await enter(parts, visit.dialect, visit);
  const group = listedFor(snapshot, credential).find(({ name }) => name === visit.name);
  if (!group) throw modelNotAllowed(visit.name);
  return json(visit.dialect.encodeModel(group.listed), {
    headers: privately(visit.id, visit.dialect),
  });
};

/** A catalog: the groups of the caller that agents of the path's dialect can use, in config order. */
export const showCatalog = (catalog: ModelCatalog): Endpoint => async (parts, visit) => {
  const { dialect, id } = visit;
  const { snapshot, credential } = await enter(parts, dialect, visit);
  const models = listedFor(snapshot, credential).flatMap((group) =>
    catalogModel(group, dialect.name) ?? []
  );
  return json(catalog.encode(models), { headers: privately(id, dialect) });
};

function listedFor({ groups }: Snapshot, { caller }: Credential) {
  return [...groups.values()].filter(({ name }) => caller.allow.has(name));
}

/**
 * `GET /v1/usage`: who the caller is, and what it used in this UTC day and month; `null` where the
 * usage database is off or down.
 */
export const showUsage: Endpoint = async (parts, visit) => {
  const { snapshot, credential: who } = await enter(parts, visit.dialect, visit);
  const scopes = who.caller.limits.map((limits) => ({
    limits,
    account: parts.ledger.account(limits.id),
  }));
  await parts.ledgerStore.refresh(scopes.map(({ account }) => account));
  const at = parts.ledger.moment();
  const totals = ({ start, end }: Period) =>
    parts.store?.totals(who.caller.id, start, end).then(usageOf).catch(() => null) ?? null;
  const [day, month] = [periodAt("day", at.wall), periodAt("month", at.wall)];
  return json({
    object: "router.usage",
    generated_at: new Date(at.wall).toISOString(),
    caller: identity(who, scopes, at),
    groups: listedFor(snapshot, who).map(({ name }) => name),
    ...limitsView(scopes[0]!, at),
    shared: Object.fromEntries(
      scopes.slice(1).map((scope) => [scope.limits.kind, {
        id: scope.limits.name,
        ...limitsView(scope, at),
      }]),
    ),
    budget: { ...budgetOf(scopes, at) },
    usage: { day: await totals(day), month: await totals(month) },
  }, { headers: privately(visit.id, visit.dialect) });
};

function identity(
  { caller, tokenId }: Credential,
  scopes: readonly Scope[],
  at: Moment,
): JsonObject {
  const key = keyState(scopes, at);
  return {
    id: caller.id,
    owner_user: caller.ownerUser,
    project: caller.project,
    environment: caller.environment,
    token_id: tokenId || null,
    status: caller.status,
    expires_at: caller.expiresAt === null ? null : new Date(caller.expiresAt).toISOString(),
    key_state: key === "ok" ? caller.status : key,
    quota_state: quotaState(scopes, at),
  };
}

function usageOf(totals: CallerTotals): JsonObject {
  return {
    requests: totals.requests,
    errors: totals.errors,
    cache_hits: totals.cacheHits,
    input_tokens: totals.inputTokens,
    cached_input_tokens: totals.cachedInputTokens,
    cache_write_tokens: totals.cacheWriteTokens,
    output_tokens: totals.outputTokens,
    reasoning_tokens: totals.reasoningTokens,
    image_tokens: totals.imageTokens,
    total_tokens: totals.inputTokens + totals.outputTokens,
    cost_usd: Number(totals.costNusd) / 1e9,
    unpriced_requests: totals.unpricedRequests,
    saved_usd: Number(totals.savedNusd) / 1e9,
  };
}

/** `GET /v1/responses` as a WebSocket: refused by name, so that agents fall back to HTTP at once. */
export const refuseWebSocket: Endpoint = (_parts, { request, dialect, id }) => {
  if (request.headers.get("upgrade")?.toLowerCase() === "websocket") {
    return errorAnswer(
      dialect,
      new GatewayError(
        "responses-websocket-unsupported",
        "Cannot upgrade to a WebSocket: use POST with streaming",
      ),
      id,
    );
  }
  throw new GatewayError("method-not-allowed", "Cannot GET this path", { allow: "POST" });
};

/** Agents probe their base URL. */
export const answerProbe: Endpoint = () => new Response(null);
