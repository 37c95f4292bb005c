import { type Address, isPublic, readAddress } from "./address.ts";
import { GatewayError } from "./errors.ts";

/** Time for all host names of a call, ms. */
const DNS_BUDGET_MS = 500;
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

async function admitHosts(hosts: readonly string[], resolve: Resolve): Promise<void> {
  const signal = AbortSignal.timeout(DNS_BUDGET_MS);
  const answers = await Promise.all(hosts.map(async (host) => {
    try {
      return await resolve(host, signal);
    } catch {
      throw refuse(signal.aborted ? "image_url_dns_timeout" : "image_url_dns_failure");
    }
  }));
  for (const addresses of answers) {
    if (addresses.length === 0) throw refuse("image_url_dns_failure");
    addresses.forEach((address) => requirePublic(readAddress(address)));
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
