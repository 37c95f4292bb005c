import ipaddr from "ipaddr.js";
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
    if (caller !== undefined && ipaddr.isValid(caller)) return caller;
  }
  return peer;
}

function isTrusted(address: string, { trustedProxyCidrs }: ClientIpSettings): boolean {
  if (trustedProxyCidrs.length === 0 || !ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return trustedProxyCidrs.some((cidr) => {
    const [range, bits] = ipaddr.parseCIDR(cidr);
    return range.kind() === parsed.kind() && parsed.match(range, bits);
  });
}
