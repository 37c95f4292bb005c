import { type Address, isPublic, readAddress } from "./address.ts";
import { GatewayError } from "./errors.ts";

/** Time for all host names of a call, ms. */
const DNS_BUDGET_MS = 500;
/** Host names of a call that are looked up at a time: a body holds more than a resolver should see. */
const LOOKUPS = 8;
const PRIVATE_NAME = /^localhost$|\.localhost$|\.local$|\.internal$/;

/** Finds the addresses of a host name. */
type Resolve = (hostname: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Why an image URL was refused. */
type Refusal = "image_url_forbidden" | "image_url_dns_failure" | "image_url_dns_timeout";

/**
 * Lets a call pass only when every image URL is inline data or leads to a public address: a provider
 * that fetches it must not be sent into a private network. The gateway itself never fetches one.
 *
 * @throws {GatewayError} `upstream-failed` with the class in its details; never the URL
 */
export async function admitImages(urls: readonly string[], resolve: Resolve): Promise<void> {
  const hosts = new Set<string>();
  for (const url of urls) {
    const host = hostOf(url);
    if (host === null) continue;
    const address = readAddress(host);
    if (address) requirePublic(address);
    else hosts.add(host);
  }
  if (hosts.size > 0) await admitHosts([...hosts], resolve);
}

/** The host to judge; `null` for inline image data. */
function hostOf(url: string): string | null {
  if (/^data:image\/[^,]*;base64,/i.test(url.slice(0, 256))) return null;
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed || !["http:", "https:"].includes(parsed.protocol)) {
    throw refuse("image_url_forbidden");
  }
  if (parsed.username !== "" || parsed.password !== "") throw refuse("image_url_forbidden");
  const host = parsed.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
  if (host === "" || PRIVATE_NAME.test(host)) throw refuse("image_url_forbidden");
  return host;
}

/** The first that is refused ends the look-ups of all. */
async function admitHosts(hosts: readonly string[], resolve: Resolve): Promise<void> {
  const late = AbortSignal.timeout(DNS_BUDGET_MS);
  const over = new AbortController();
  const signal = AbortSignal.any([late, over.signal]);
  const left = hosts.values();

  async function admitNext(): Promise<void> {
    for (const host of left) {
      if (signal.aborted) throw refuse("image_url_dns_timeout");
      const addresses = await resolve(host, signal).catch(() => {
        throw refuse(late.aborted ? "image_url_dns_timeout" : "image_url_dns_failure");
      });
      if (addresses.length === 0) throw refuse("image_url_dns_failure");
      addresses.forEach((address) => requirePublic(readAddress(address)));
    }
  }

  try {
    await Promise.all(Array.from({ length: LOOKUPS }, admitNext));
  } finally {
    over.abort();
  }
}

function requirePublic(address: Address | null): void {
  if (!address || !isPublic(address)) throw refuse("image_url_forbidden");
}

function refuse(reason: Refusal): GatewayError {
  return new GatewayError("upstream-failed", "Cannot pass on an image URL: it is not admitted", {
    error_class: reason,
    reason_code: reason,
    retryable: false,
  });
}
