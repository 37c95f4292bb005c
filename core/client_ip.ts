import { isWithin, readAddress } from "./address.ts";
import type { ClientIpSettings } from "./snapshot.ts";

/**
 * The caller's address for its record. Forwarded headers count only from trusted proxies; in a list
 * of addresses the last one that is no trusted proxy is the caller.
 */
export function clientAddress(
  headers: Headers,
  peer: string,
  settings: ClientIpSettings,
): string | null {
  if (!settings.storeIp) return null;
  if (!isTrusted(peer, settings)) return peer;
  for (const name of settings.headerOrder) {
    const hops = (headers.get(name) ?? "").split(",").map((hop) => hop.trim());
    const caller = hops.findLast((hop) => !isTrusted(hop, settings));
    // What stands before a hop that is no address may be the caller's own invention.
    if (caller !== undefined && readAddress(caller)) return caller;
  }
  return peer;
}

function isTrusted(text: string, { trustedProxyCidrs }: ClientIpSettings): boolean {
  if (trustedProxyCidrs.length === 0) return false;
  const address = readAddress(text);
  return address !== null && trustedProxyCidrs.some((cidr) => isWithin(address, cidr));
}
