import { z } from "zod";
import type { Deadlines } from "../../core/deadlines.ts";
import { readAddress } from "../../core/address.ts";
import type { EgressRules } from "../../core/egress.ts";
import { type EgressAnswer, EgressClient, type ResolveHost } from "../../core/egress_client.ts";
import { parseJson } from "../../core/parse_json.ts";
import type { ScriptHttpSettings } from "../../core/policy_settings.ts";
import { within } from "../within.ts";

/** What a policy asks for. Its realm wrote it, and is not believed. */
const requestSchema = z.object({
  id: z.int(),
  url: z.string(),
  method: z.enum(["GET", "POST"]),
  headers: z.record(z.string(), z.string()),
  body: z.string().nullable(),
});

/** A pause of a decision: which one, in which realm, and what it waits for. */
export const pauseSchema = z.object({
  realm: z.int(),
  turn: z.int(),
  requests: z.array(z.unknown()).max(4),
});

/** What a policy is told of a request. */
export type FetchAnswer =
  | { readonly id: number; readonly ok: boolean; readonly status: number; readonly body: unknown }
  | { readonly id: number; readonly failed: "policy-fetch-denied" | "policy-fetch-failed" };

/** What granted requests need. */
export interface FetchWorld {
  readonly deadlines: Deadlines;
  /** The system's, unless given. */
  readonly resolve?: ResolveHost | undefined;
  /** A `host:port` was asked that is not granted. */
  onUngranted?(place: string): void;
}

/** Headers that a policy may set; a name that HTTP has not would not be sent but thrown back. */
const FREE_HEADER = /^(?:accept|content-type|x-[a-z0-9!#$%&'*+.^_`|~-]*)$/;

/**
 * Makes the requests of a policy, to exactly the hosts and ports that its group grants. The policy's
 * own thread keeps having no network: it could not be told which of a name's addresses to connect to.
 */
export class GrantedFetch implements Disposable {
  readonly #net: ReadonlySet<string>;
  readonly #http: ScriptHttpSettings;
  readonly #world: FetchWorld;
  readonly #client: EgressClient;

  constructor(net: readonly string[], http: ScriptHttpSettings, world: FetchWorld) {
    this.#net = new Set(net);
    this.#http = http;
    this.#world = world;
    this.#client = new EgressClient(rulesOf(net, http), world.resolve);
  }

  /** Longest that all requests of a decision may take, ms. */
  get wallMs(): number {
    return this.#http.timeoutMs + 50;
  }

  /** Makes one request; never throws. */
  async fetch(asked: unknown, leftMs: number): Promise<FetchAnswer> {
    const { success, data } = requestSchema.safeParse(asked);
    if (!success) return { id: idOf(asked), failed: "policy-fetch-denied" };
    const { id, url, method, headers, body } = data;
    if (!this.#grants(url, headers)) return { id, failed: "policy-fetch-denied" };
    const { timeoutMs, maxResponseBytes, headers: own } = this.#http;
    const { deadlines } = this.#world;
    const limits = { ms: Math.min(timeoutMs, leftMs), deadlines, signal: NEVER };
    const request = {
      method,
      url,
      headers: { "content-type": "application/json", ...headers, ...own },
      body,
      maxBytes: maxResponseBytes,
    };
    return told(id, await within(limits, (signal) => this.#client.send({ ...request, signal })));
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  #grants(url: string, headers: Readonly<Record<string, string>>): boolean {
    const place = placeOf(url);
    if (place === null) return false;
    if (!this.#net.has(place)) {
      this.#world.onUngranted?.(place);
      return false;
    }
    return Object.entries(headers).every(([name, value]) =>
      FREE_HEADER.test(name) && /^[\t\x20-\x7e]*$/.test(value)
    );
  }
}

/** Host and port of a URL, as grants have them; `null`: nothing that may be asked. */
function placeOf(url: string): string | null {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed || !["http:", "https:"].includes(parsed.protocol)) return null;
  if (parsed.username !== "" || parsed.password !== "") return null;
  return `${parsed.hostname}:${parsed.port || (parsed.protocol === "https:" ? "443" : "80")}`;
}

/** Nobody leaves: a request of a policy is over soon. */
const NEVER = new AbortController().signal;

/** A host that is granted as an address is granted, wherever it lies; a name must lead to a public one. */
function rulesOf(net: readonly string[], { allowHttp }: ScriptHttpSettings): EgressRules {
  const places = net.map((place) => {
    const [, host = "", port] = /^(.*):(\d+)$/.exec(place) ?? [];
    return { address: readAddress(host), port: Number(port) };
  });
  return {
    allowHttp,
    publicPorts: places.map(({ port }) => port),
    allowPrivate: places.flatMap(({ address, port }) => {
      if (!address) return [];
      return [{ cidr: `${address}/${address.kind() === "ipv4" ? 32 : 128}`, port }];
    }),
  };
}

function told(id: number, answer: EgressAnswer | null): FetchAnswer {
  if (answer?.kind === "denied") return { id, failed: "policy-fetch-denied" };
  if (answer?.kind !== "answer") return { id, failed: "policy-fetch-failed" };
  const { status, text } = answer;
  if (status >= 300 && status < 400) return { id, failed: "policy-fetch-denied" };
  return { id, ok: status >= 200 && status < 300, status, body: jsonOf(text) };
}

/** What is no JSON is `null`. */
function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

function idOf(asked: unknown): number {
  return typeof asked === "object" && asked !== null && "id" in asked &&
      typeof asked.id === "number"
    ? asked.id
    : 0;
}
