import type { Registry } from "./registry.ts";

/** What the gateway sends to a provider. */
export interface UpstreamRequest {
  readonly headers: Record<string, string>;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly signal: AbortSignal;
}

/**
 * Where an attempt goes: the network, or an upstream that lives in this process. The URL is the
 * dialect's path on the provider's base URL; the answer is an ordinary `Response`.
 */
export type UpstreamFetch = (url: string, request: UpstreamRequest) => Promise<Response>;

/** An upstream inside the process, reached by the base URL `builtin:<name>`. */
export interface BuiltinUpstream {
  readonly name: string;
  /** Model names it serves; anything else is a configuration error. */
  serves(model: string): boolean;
  readonly fetch: UpstreamFetch;
}

/**
 * The connection to a provider failed, or was ended. Whatever else is thrown while an attempt is under
 * way is a mistake of ours, and no fault of the provider.
 */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
}

/**
 * Waits for what a provider sends.
 *
 * @throws {NetworkError}
 */
export function received<Value>(pending: Promise<Value>): Promise<Value> {
  return pending.catch(unheard);
}

/** @throws {NetworkError} always, in the place of what broke the connection */
export function unheard(cause: unknown): never {
  throw new NetworkError("Cannot hear the provider", { cause });
}

const BUILTIN = /^builtin:([^/]+)/;

/**
 * Sends an attempt where its URL leads: `builtin:` stays in the process, all else goes to the
 * network. Redirects are never followed: a provider must not send our credential elsewhere.
 */
export function createUpstreamFetch(builtins: Registry<BuiltinUpstream>): UpstreamFetch {
  return (url, request) => {
    const builtin = BUILTIN.exec(url)?.[1];
    if (builtin !== undefined) return builtins.get(builtin).fetch(url, request);
    return fetch(url, { method: "POST", redirect: "manual", ...request });
  };
}
