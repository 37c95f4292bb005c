import { dirname } from "node:path";
import { parseDsn } from "../core/dsn.ts";
import type { ShipSettings } from "./open_shipper.ts";

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

/** What the storage worker may do: its journal, and its database file or its server. */
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
  const socket = host.startsWith("/") ? [`${host}/.s.PGSQL.${port}`] : [];
  return {
    ...nothing,
    read: [journal, ...socket, ...sslRootCert === null ? [] : [sslRootCert]],
    write: [journal, ...socket],
    net: [socket[0] === undefined ? `${bracketed(host)}:${port}` : `unix:${socket[0]}`],
    env: DRIVER_ENV,
  };
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
