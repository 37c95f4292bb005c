/** Where a Postgres database is, and who enters; the password is a secret. */
export interface PostgresAddress {
  /** A name, an address, or the folder of a socket (it begins with `/`). */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** As libpq reads them; on a socket there is no TLS. */
  readonly sslMode: SslMode;
  /** Path of a file with certificates in PEM; `null`: those of the platform. */
  readonly sslRootCert: string | null;
}

const SSL_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;
type SslMode = typeof SSL_MODES[number];

const PARAMETERS = ["host", "port", "user", "password", "sslmode", "sslrootcert"];

/**
 * Reads `postgres://user:password@host:port/database?sslmode=verify-full`. The parts of a URL may
 * stand behind the `?` as well, and must for a socket: `postgres:///usage?host=/run/postgresql&user=x`.
 * See "Connection URIs" in the libpq documentation.
 *
 * @returns `null` when it is none, or holds a parameter that is not known
 * @example Usage
 * ```ts
 * import { parseDsn } from "@/core/dsn.ts";
 *
 * if (parseDsn("postgres://p@db.internal/usage")?.port !== 5432) throw new Error("Cannot read");
 * ```
 */
export function parseDsn(text: string): PostgresAddress | null {
  const url = /^postgres(?:ql)?:\/\//.test(text) ? URL.parse(text) : null;
  if (!url) return null;
  const { searchParams: given } = url;
  if ([...given.keys()].some((name) => !PARAMETERS.includes(name))) return null;
  const host = given.get("host") ?? bare(url.hostname);
  const port = Number(given.get("port") ?? (url.port || 5432));
  const database = decoded(url.pathname.slice(1));
  const user = given.get("user") ?? decoded(url.username);
  const password = given.get("password") ?? decoded(url.password);
  const sslMode = SSL_MODES.find((mode) => mode === (given.get("sslmode") ?? "prefer"));
  if (!host || !database || !user || password === null || !sslMode) return null;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return null;
  return { host, port, database, user, password, sslMode, sslRootCert: given.get("sslrootcert") };
}

/** An IPv6 address without its brackets. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
