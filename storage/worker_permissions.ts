import { dirname } from "node:path";
import { parseDsn } from "../core/dsn.ts";
import type { ShipSettings } from "./open_shipper.ts";
import { assertSocketAllowed, socketOf } from "./postgres_socket.ts";

/** What the Postgres driver looks for in the environment, whatever it is given. */
const DRIVER_ENV = [
  "PGAPPNAME",
  "PGBACKOFF",
  "PGDEBUG",
  "PGKEEP_ALIVE",
  "PGMAX_PIPELINE",
  "PGPASSWORD",
  "PGPUBLICATIONS",
  "PGSSLNEGOTIATION",
  "PGTARGETSESSIONATTRS",
  "PGTARGET_SESSION_ATTRS",
];

/**
 * What the storage worker may do: its journal, and its database file or its server.
 *
 * @throws {Error} when this process may not use the socket of the server itself
 */
export function workerPermissions(
  { journalPath, database }: ShipSettings,
): Deno.PermissionOptionsObject {
  const nothing = { net: false, env: false, run: false, ffi: false, sys: false, import: false };
  const journal = dirname(journalPath);
  if (database.driver === "sqlite") {
    const files = [journal, database.path];
    return { ...nothing, read: files, write: files };
  }
  const address = parseDsn(database.dsn ?? "");
  if (!address) throw new RangeError("Cannot start the storage worker: its dsn is no Postgres URL");
  const { host, port, sslRootCert } = address;
  const path = socketOf(address);
  if (path !== null) assertSocketAllowed(path);
  const socket = path === null ? [] : [path];
  return {
    ...nothing,
    read: [journal, ...socket, ...sslRootCert === null ? [] : [sslRootCert]],
    write: [journal, ...socket],
    net: [path === null ? `${bracketed(host)}:${port}` : `unix:${path}`],
    env: DRIVER_ENV,
  };
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
