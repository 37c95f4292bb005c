import ipaddr from "ipaddr.js";

/** An address of the internet protocol; IPv4 inside IPv6 is IPv4. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Reads an address, with or without the brackets of a URL; `null` when it is a name. */
export function readAddress(text: string): Address | null {
  const bare = text.replace(/^\[(.*)\]$/, "$1");
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : null;
}

/**
 * Whether everybody may reach it. `unicast` is what is left of the address space when all special
 * ranges are taken out. Of IPv6 only 2000::/3 is given out (RFC 4291 2.4); the rest may embed an IPv4
 * address.
 */
export function isPublic(address: Address): boolean {
  if (address.range() !== "unicast") return false;
  return address.kind() === "ipv4" || address.toByteArray()[0]! >> 5 === 0b001;
}

/** Whether only this machine can reach it. */
export function isLoopbackAddress(address: Address): boolean {
  return address.range() === "loopback";
}

/** Whether an address lies in a block such as `10.0.0.0/8`. */
export function isWithin(address: Address, cidr: string): boolean {
  const [block, bits] = ipaddr.parseCIDR(cidr);
  return block.kind() === address.kind() && address.match(block, bits);
}

/** Whether a text is a block of addresses. */
export function isBlock(cidr: string): boolean {
  return ipaddr.isValidCIDR(cidr);
}
