import { isWithin, readAddress } from "./address.ts";
import type { Row } from "./record.ts";
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

/** What a row says of the address of a stranger; `peer` is who connected. */
export function addressColumns(address: string | null, peer: string): Row {
  if (address === null) return {};
  const range = readAddress(address)?.range();
  return {
    ip_source: address === peer ? "peer" : "forwarded",
    ip_address: address,
    ip_version: address.includes(":") ? 6 : 4,
    trusted_proxy_applied: address === peer ? 0 : 1,
    request_is_private: range === "private" || range === "uniqueLocal" ? 1 : 0,
    request_is_loopback: range === "loopback" ? 1 : 0,
    request_is_reserved: range === "reserved" ? 1 : 0,
  };
}

function isTrusted(text: string, { trustedProxyCidrs }: ClientIpSettings): boolean {
  if (trustedProxyCidrs.length === 0) return false;
  const address = readAddress(text);
  return address !== null && trustedProxyCidrs.some((cidr) => isWithin(address, cidr));
}
