import { join } from "node:path";

/** A Postgres server of its own in a temporary folder; it listens on a socket only. */
export interface PostgresServer extends AsyncDisposable {
  /** Makes an empty database; gives its URL. */
  database(): Promise<string>;
  /** Path of the socket, for those who stand between. */
  readonly socket: string;
  /** Ends the server at once, as a crash does. */
  crash(): Promise<void>;
  /** Starts it again. */
  start(): Promise<void>;
}

const MISSING = "Cannot find Postgres: install the Debian package `postgresql` " +
  "(apt-get install --no-install-recommends postgresql), or put its programs on the PATH";

/** Accounts that may run the server where the tests run as root, which it refuses. */
const ACCOUNTS = ["postgres", "nobody"];

/** Makes a cluster and starts it; `durable` waits for the disk at each commit as in production. */
export async function startPostgres({ durable = false } = {}): Promise<PostgresServer> {
  const bin = findPrograms();
  const account = accountFor();
  const folder = Deno.makeTempDirSync({ prefix: "postgres-" });
  const data = join(folder, "data");
  const socket = join(folder, ".s.PGSQL.5432");
  const server = (name: string, ...args: string[]) => run(account, [join(bin, name), ...args]);
  const control = (...args: string[]) => server("pg_ctl", "-D", data, "-w", "-s", ...args);
  const url = (name: string) => `postgres:///${name}?host=${encodeURIComponent(folder)}&user=test`;
  const options = `-c listen_addresses= -c unix_socket_directories=${folder} ` +
    `-c fsync=${durable ? "on" : "off"}`;
  const start = () => control("-l", join(folder, "log"), "-o", options, "start");
  let count = 0;

  if (account) await run(null, ["chown", account, folder]);
  await server(
    "initdb",
    "-D",
    data,
    "-A",
    "trust",
    "-U",
    "test",
    "-N",
    "-E",
    "UTF8",
    "--no-locale",
  );
  await start();
  return {
    socket,
    start,
    crash: () => control("-m", "immediate", "stop"),
    async database() {
      const name = `test_${count += 1}`;
      await server("createdb", "-h", folder, "-U", "test", name);
      return url(name);
    },
    async [Symbol.asyncDispose]() {
      // A test may have left it stopped.
      await control("-m", "immediate", "stop").catch(() => {});
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** The folder of the newest version's programs; empty when the PATH has them. */
function findPrograms(): string {
  const root = "/usr/lib/postgresql";
  const versions = exists(root) ? [...Deno.readDirSync(root)].map(({ name }) => name) : [];
  const folders = versions.toSorted((a, b) => Number(b) - Number(a))
    .map((version) => join(root, version, "bin"));
  const onPath = (Deno.env.get("PATH") ?? "").split(":");
  const found = [...folders, ...onPath].find((folder) => exists(join(folder, "initdb")));
  if (found === undefined) throw new Error(MISSING);
  return found;
}

/** Whom to become; `null` where nobody has to. */
function accountFor(): string | null {
  if (Deno.uid() !== 0) return null;
  const known = Deno.readTextFileSync("/etc/passwd").split("\n").map((line) => line.split(":")[0]);
  const account = ACCOUNTS.find((name) => known.includes(name));
  if (account === undefined) {
    throw new Error("Cannot start Postgres as root: there is no account `postgres` or `nobody`");
  }
  return account;
}

async function run(account: string | null, words: readonly string[]): Promise<void> {
  const become = account
    ? ["setpriv", `--reuid=${account}`, `--regid=${groupOf(account)}`, "--clear-groups", "--"]
    : [];
  const [program = "", ...args] = [...become, ...words];
  const { success, stderr } = await new Deno.Command(program, {
    args,
    cwd: "/",
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) {
    throw new Error(`Cannot run ${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}

function groupOf(account: string): string {
  const line = Deno.readTextFileSync("/etc/passwd").split("\n")
    .find((entry) => entry.startsWith(`${account}:`));
  return line?.split(":")[3] ?? account;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
