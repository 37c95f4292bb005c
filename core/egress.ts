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
  /** Ports of public addresses instead of those of HTTPS, and of HTTP where that is allowed. */
  readonly publicPorts?: readonly number[];
}

/** Where a connection would go. */
export interface EgressPlace {
  readonly address: string;
  readonly port: number;
  /** Whether it is encrypted. */
  readonly secure: boolean;
}

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
  if (isPublic(known)) {
    const { publicPorts = rules.allowHttp ? [HTTPS_PORT, HTTP_PORT] : [HTTPS_PORT] } = rules;
    return publicPorts.includes(port);
  }
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
