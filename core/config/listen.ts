/** Where a server listens. */
export interface ListenAddress {
  readonly hostname: string;
  /** 0: any free port. */
  readonly port: number;
}

/**
 * Reads `host:port`, `[v6]:port`, or `:port` for every interface; `null` when it is none of them.
 *
 * @example Usage
 * ```ts
 * import { parseListen } from "@/core/config/listen.ts";
 *
 * if (parseListen("[::1]:8080")?.hostname !== "::1") throw new Error("Cannot read the address");
 * ```
 */
export function parseListen(address: string): ListenAddress | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (!match || port > 65535) return null;
  return { hostname: match[1] ?? (match[2] || "0.0.0.0"), port };
}

/** An address as `parseListen` reads it. */
export function listenText({ hostname, port }: ListenAddress): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Whether only this machine can reach the address. */
export function isLoopback({ hostname }: ListenAddress): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
