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
