import { Buffer } from "node:buffer";
import { lookup as lookUp } from "node:dns/promises";
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { readAddress } from "./address.ts";
import { type EgressRules, permits } from "./egress.ts";

/** Connections to one server that are kept while nobody uses them. */
const MAX_IDLE = 64;

/** One exchange with a server that the configuration names. */
export interface EgressRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** `null`: none. */
  readonly body: string | null;
  /** Most bytes of the answer, counted while they are read. */
  readonly maxBytes: number;
  /** Ends the exchange, whatever it waits for. */
  readonly signal: AbortSignal;
}

/**
 * What came of it. `denied`: the rules do not let it go there; `unreachable`: there is no whole answer;
 * `too-large`: more than `maxBytes`.
 */
export type EgressAnswer =
  | {
    readonly kind: "answer";
    readonly status: number;
    readonly text: string;
    readonly bytes: number;
  }
  | { readonly kind: "denied" | "unreachable" | "too-large" };

/** Finds the addresses of a host name. */
export type ResolveHost = (hostname: string) => Promise<readonly string[]>;

/** As the programs of this machine do: with its hosts file, its search domains, its name service. */
const resolveBySystem: ResolveHost = async (hostname) =>
  (await lookUp(hostname, { all: true })).map(({ address }) => address);

/**
 * Talks to servers that the configuration names, within its rules: every address of a name is judged
 * each time a connection is made, and the connection goes to one of those. Redirects are answers like
 * any other. Connections are kept and used again.
 *
 * `fetch` looks names up by itself, and with TLS it cannot be told where to connect (seen on Deno
 * 2.9.6); `node:https` connects to what it is handed.
 */
export class EgressClient implements Disposable {
  readonly #rules: EgressRules;
  readonly #resolve: ResolveHost;
  readonly #http = new HttpAgent({ keepAlive: true, maxFreeSockets: MAX_IDLE });
  readonly #https = new TlsAgent({ keepAlive: true, maxFreeSockets: MAX_IDLE });

  constructor(rules: EgressRules, resolve: ResolveHost = resolveBySystem) {
    this.#rules = rules;
    this.#resolve = resolve;
  }

  /** @throws the reason of `signal` once that is aborted; nothing else */
  async send(request: EgressRequest): Promise<EgressAnswer> {
    const url = new URL(request.url);
    // An address that stands in the URL is looked up by nobody.
    const literal = readAddress(url.hostname);
    if (literal && !this.#admits(literal.toString(), url)) return { kind: "denied" };
    const first = await this.#exchange(request, url);
    if (first !== "stale") return first;
    const second = await this.#exchange(request, url);
    return second === "stale" ? { kind: "unreachable" } : second;
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #admits(address: string, { protocol, port }: URL): boolean {
    const secure = protocol === "https:";
    const place = { address, port: Number(port) || (secure ? 443 : 80), secure };
    return permits(this.#rules, place) && mayConnect(place);
  }

  /** `stale`: the connection was kept, and had ended before it was used again. */
  async #exchange(request: EgressRequest, url: URL): Promise<EgressAnswer | "stale"> {
    const { method, headers, body, maxBytes, signal } = request;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<EgressAnswer | "stale">();
    const [send, agent] = url.protocol === "https:"
      ? [requestHttps, this.#https]
      : [requestHttp, this.#http];
    const sent = send(url, {
      method,
      agent,
      lookup: this.#lookup(url),
      headers: { ...headers, "accept-encoding": "identity", ...lengthOf(body) },
    });
    const abort = () => {
      reject(signal.reason);
      sent.destroy();
    };
    signal.addEventListener("abort", abort);
    sent.on("error", (error) => resolve(failureOf(error, sent.reusedSocket)));
    sent.on("response", (response) => {
      readAnswer(response, maxBytes).catch((error) => failureOf(error, false)).then((answer) => {
        resolve(answer);
        if (!response.complete) sent.destroy();
      });
    });
    sent.end(body ?? undefined);
    return await promise.finally(() => signal.removeEventListener("abort", abort));
  }

  /** The addresses of a name, when all of them are within the rules. */
  #lookup(url: URL): LookupFunction {
    return (hostname, _options, found) => {
      this.#resolve(hostname).then((addresses) => {
        if (addresses.length === 0) throw new Error("Cannot resolve the host name");
        if (!addresses.every((address) => this.#admits(address, url))) throw new Denied();
        return addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
      }).then((addresses) => found(null, addresses), (error) => found(error, []));
    };
  }
}

/** What `node:https` does itself asks for a permission to see the system's certificates (Deno 2.9.6). */
class TlsAgent extends HttpsAgent {
  override createConnection(options: ConnectionOptions): TLSSocket {
    return connect(options);
  }
}

/** A name leads where the rules do not let us go. */
class Denied extends Error {}

/** A connection that the permissions of this process forbid would end the process (Deno 2.9.6). */
function mayConnect({ address, port }: { readonly address: string; readonly port: number }) {
  const host = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  return Deno.permissions.querySync({ name: "net", host }).state === "granted";
}

function lengthOf(body: string | null): Record<string, string> {
  return body === null ? {} : { "content-length": String(Buffer.byteLength(body)) };
}

function failureOf(error: unknown, reused: boolean): EgressAnswer | "stale" {
  if (error instanceof Denied) return { kind: "denied" };
  const broken = error instanceof Error && "code" in error &&
    (error.code === "ECONNRESET" || error.code === "EPIPE");
  return reused && broken ? "stale" : { kind: "unreachable" };
}

/** Reads by events: iterating over a response ends its connection (Deno 2.9.6). */
function readAnswer(response: IncomingMessage, maxBytes: number): Promise<EgressAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<EgressAnswer>();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  response.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > maxBytes) resolve({ kind: "too-large" });
    else chunks.push(chunk);
  });
  response.on("end", () => {
    const text = Buffer.concat(chunks).toString("utf8");
    resolve({ kind: "answer", status: response.statusCode ?? 0, text, bytes });
  });
  response.on("error", reject);
  response.on("close", () => reject(new Error("Cannot read the whole answer")));
  return promise;
}
