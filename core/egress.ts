import { isBlock, isLoopbackAddress, isPublic, isWithin, readAddress } from "./address.ts";

/** A block of addresses that is not public, and the one port of it that may be reached. */
export interface PrivateGrant {
  /** `10.20.0.0/16` */
  readonly cidr: string;
  readonly port: number;
}

/** Where a destination that the configuration names may lead. */
export interface EgressRules {
  /** Whether plain HTTP may leave this machine. */
  readonly allowHttp: boolean;
  readonly allowPrivate: readonly PrivateGrant[];
}

/** Where a connection would go. */
export interface EgressPlace {
  readonly address: string;
  readonly port: number;
  /** Whether it is encrypted. */
  readonly secure: boolean;
}

/** Ports of public addresses that may be reached. */
const HTTPS_PORT = 443;
const HTTP_PORT = 80;

/**
 * Whether a connection may be made: to this machine on any port, to public addresses on the ports of
 * HTTPS (and of HTTP, where that is allowed), to anything else only where it is granted.
 */
export function permits(rules: EgressRules, { address, port, secure }: EgressPlace): boolean {
  const known = readAddress(address);
  if (!known) return false;
  if (isLoopbackAddress(known)) return true;
  if (!secure && !rules.allowHttp) return false;
  if (isPublic(known)) return port === HTTPS_PORT || (rules.allowHttp && port === HTTP_PORT);
  return rules.allowPrivate.some((grant) => grant.port === port && isWithin(known, grant.cidr));
}

/** Reads `10.20.0.0/16:8443` or `[fd00::/8]:443`; `null` when it is neither. */
export function parsePrivateGrant(text: string): PrivateGrant | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+\/\d{1,3})\]|([0-9.]+\/\d{1,2})):(\d{1,5})$/.exec(text);
  const cidr = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (cidr === undefined || !isBlock(cidr) || port < 1 || port > 65535) return null;
  return { cidr, port };
}
