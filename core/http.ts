import type { Arrival } from "./accept.ts";
import { errorAnswer, json } from "./answer.ts";
import { Unauthorized } from "./auth.ts";
import type { Parts, Watcher } from "./call.ts";
import type { Dialect } from "./dialect.ts";
import {
  answerProbe,
  type Endpoint,
  listModels,
  refuseWebSocket,
  showCatalog,
  showModel,
  showUsage,
} from "./endpoints.ts";
import { countTokens, makeCall } from "./engine.ts";
import { explain } from "./explain.ts";
import { asGatewayError, GatewayError } from "./errors.ts";
import { healthz, readyz, version } from "./health_endpoints.ts";
import type { Plugin } from "./plugin.ts";
import { safeCause } from "./thrown.ts";
import { createStrangerRecord, type RecordStranger } from "./strangers.ts";

/** What answers on a path, by method. */
type Methods = Readonly<Partial<Record<string, Endpoint>>>;

/** Answers one HTTP request; `peer` is the address of the other side. Never throws. */
export type Handler = (request: Request, peer: string) => Promise<Response>;

/** Paths whose last segment is a name; that segment follows the prefix. */
const NAMED: readonly (readonly [string, Methods])[] = [["/v1/models/", { GET: showModel }]];

/** Builds the handler of all paths. A new path is one line in `routesOf`. */
export function createHandler(parts: Parts, plugins: readonly Plugin[]): Handler {
  const routes = routesOf(parts, plugins);
  const recordStranger = createStrangerRecord();
  return async (request, peer) => {
    const { path, search } = splitUrl(request.url);
    const found = find(routes, path);
    const dialect = found?.dialect ?? dialectOf(parts, path, request.headers);
    parts.tracer?.found(request.method, found?.template ?? "");
    const arrival = { request, search, peer, id: `req_${parts.newId()}` };
    try {
      refuseOddHost(request.headers);
      if (parts.drain.draining && request.method === "POST") throw shuttingDown();
      const endpoint = endpointFor(parts, found, request.method);
      return await endpoint(parts, { ...arrival, dialect, name: found?.name ?? "" });
    } catch (thrown) {
      return failed(parts, { dialect, arrival, found, thrown, recordStranger });
    }
  };
}

interface Found {
  readonly methods: Methods;
  /** `null` where the answer's dialect depends on the request's headers. */
  readonly dialect: Dialect | null;
  readonly name: string;
  readonly template: string;
  /** Whose path it is: `api`, or a plugin's name. */
  readonly surface: string;
}

function routesOf(parts: Parts, plugins: readonly Plugin[]): ReadonlyMap<string, Found> {
  const call: Endpoint = (parts, visit) => makeCall(parts, visit.dialect, visit);
  const count: Endpoint = async (parts, visit) =>
    json(visit.dialect.encodeTokenCount(await countTokens(parts, visit.dialect, visit)));
  const probe = { HEAD: answerProbe };
  const alive = healthz(parts.clock());
  const fixed: readonly (readonly [string, Methods, Dialect | null])[] = [
    ...parts.dialects.items.flatMap((dialect) => [
      ...dialect.paths.map((path) => [path, callMethods(path, call), dialect] as const),
      ...dialect.countPaths.map((path) => [path, { POST: count }, dialect] as const),
      ...catalogRoutes(dialect),
    ]),
    ["/", probe, null],
    ["/anthropic", probe, null],
    ["/healthz", { GET: alive, HEAD: alive }, null],
    ["/readyz", { GET: readyz, HEAD: readyz }, null],
    ["/v1", probe, null],
    ["/v1/models", { GET: listModels }, null],
    ["/v1/route/explain", { POST: explain }, null],
    ["/v1/usage", { GET: showUsage }, null],
    ["/version", { GET: version, HEAD: version }, null],
  ];
  const own = fixed.map(([path, methods, dialect]) => at(path, { methods, dialect }, "api"));
  return new Map([...own, ...plugins.flatMap(pluginRoutes)]);
}

function pluginRoutes({ name, routes }: Plugin): readonly (readonly [string, Found])[] {
  return Object.entries(routes).map(([path, answer]) =>
    at(path, { methods: { GET: answer, HEAD: answer }, dialect: null }, name)
  );
}

function catalogRoutes(dialect: Dialect) {
  const { catalog } = dialect;
  return catalog ? [[catalog.path, { GET: showCatalog(catalog) }, dialect] as const] : [];
}

function at(
  path: string,
  answers: Pick<Found, "methods" | "dialect">,
  surface: string,
): readonly [string, Found] {
  return [path, { ...answers, name: "", template: path, surface }];
}

function callMethods(path: string, call: Endpoint): Methods {
  return path === "/v1/responses" ? { POST: call, GET: refuseWebSocket } : { POST: call };
}

function find(routes: ReadonlyMap<string, Found>, path: string): Found | null {
  const fixed = routes.get(path);
  if (fixed) return fixed;
  for (const [prefix, methods] of NAMED) {
    const name = path.startsWith(prefix) ? decodeName(path.slice(prefix.length)) : "";
    if (name !== "") {
      return { methods, dialect: null, name, template: `${prefix}{id}`, surface: "api" };
    }
  }
  return null;
}

/** Group names may hold a slash; escapes that do not decode name nothing. */
function decodeName(text: string): string {
  if (text.endsWith("/")) return "";
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function endpointFor({ dialects }: Parts, found: Found | null, method: string): Endpoint {
  if (!found) throw notFound(dialects.items);
  const endpoint = found.methods[method];
  if (endpoint) return endpoint;
  const allow = Object.keys(found.methods).sort().join(", ");
  throw new GatewayError("method-not-allowed", `Cannot ${safeMethod(method)} this path`, { allow });
}

/** Mostly a client's base URL has `/v1` twice, or not at all. */
function notFound(dialects: readonly Dialect[]): GatewayError {
  const calls = dialects.map(({ paths }) => paths[0]).join(", ");
  return new GatewayError("not-found", `Cannot find this path: calls go to ${calls}`);
}

const safeMethod = (method: string) => /^[A-Z]{1,10}$/.test(method) ? method : "use this method on";

/** Errors of unknown paths and of model lists come in the dialect the request seems to speak. */
function dialectOf({ dialects }: Parts, path: string, headers: Headers): Dialect {
  const speaking = dialects.items.find((dialect) => dialect.speaks(path, headers));
  const dialect = speaking ?? dialects.items[0];
  if (!dialect) throw new RangeError("Cannot answer without a dialect");
  return dialect;
}

interface Failure {
  readonly dialect: Dialect;
  readonly arrival: Arrival;
  readonly found: Found | null;
  readonly thrown: unknown;
  readonly recordStranger: RecordStranger;
}

function failed(
  parts: Parts,
  { dialect, arrival, found, thrown, recordStranger }: Failure,
): Response {
  const error = asGatewayError(thrown);
  if (error instanceof Unauthorized) {
    tellDenied(parts, found, error.reason);
    const place = { surface: surfaceOf(found), template: found?.template ?? "" };
    recordStranger(parts, arrival, place, error);
  }
  if (error.type === "metrics-forbidden") tellDenied(parts, found, "forbidden");
  if (error.type === "internal-error") {
    parts.log.write("error", "call_failed", error.message, {
      request_id: arrival.id,
      error: error.type,
      cause: safeCause(error.cause),
    });
  }
  return errorAnswer(dialect, error, arrival.id);
}

const surfaceOf = (found: Found | null) => found?.surface ?? "api";

function tellDenied(
  { watchers }: Parts,
  found: Found | null,
  reason: Parameters<Watcher["onDenied"]>[1],
): void {
  for (const watcher of watchers) watcher.onDenied(surfaceOf(found), reason);
}

function shuttingDown(): GatewayError {
  return new GatewayError("shutting-down", "Cannot accept the call: the gateway is shutting down");
}

/**
 * The server puts the host before the path without a look at it: `Host: a/metrics?` would make a path of
 * itself, which a proxy in front that forbids paths has not seen (RFC 9112 3.2).
 */
function refuseOddHost(headers: Headers): void {
  const host = headers.get("host");
  if (host === null || !/[/?#@\\\s]/.test(host)) return;
  throw new GatewayError("invalid-request", "Cannot read the Host header: expected a host", {
    reason: "host",
  });
}

/** Cheaper than `new URL` on the path of every call. */
function splitUrl(url: string): { path: string; search: string } {
  const from = url.indexOf("/", url.indexOf("://") + 3);
  if (from < 0) return { path: "/", search: "" };
  const query = url.indexOf("?", from);
  return query < 0
    ? { path: url.slice(from), search: "" }
    : { path: url.slice(from, query), search: url.slice(query) };
}
