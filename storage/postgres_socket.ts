import type { PostgresAddress } from "../core/dsn.ts";

/** Path of the socket of a server on this machine; `null` where it is reached over the network. */
export function socketOf({ host, port }: Pick<PostgresAddress, "host" | "port">): string | null {
  return host.startsWith("/") ? `${host}/.s.PGSQL.${port}` : null;
}

/**
 * Makes sure that this process may use a socket: who connects to one reads and writes it. The driver
 * would find out in a timer, where nobody could catch it.
 *
 * @throws {Error} that says which permission is missing and where it is given
 */
export function assertSocketAllowed(socket: string): void {
  for (const name of ["read", "write"] as const) {
    if (Deno.permissions.querySync({ name, path: socket }).state === "granted") continue;
    throw new Error(
      `the process lacks the permission to ${name} "${socket}", the socket of Postgres; start Deno ` +
        `with --allow-${name}=.,${socket} (the tasks of deno.json have --allow-write=.), or name a ` +
        "host and a port in the dsn",
    );
  }
}
