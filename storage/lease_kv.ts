import type { LeaseEntry } from "../core/limits/lease_entry.ts";
import { removeAll, whenUnlocked } from "./ledger_kv.ts";

/** An entry with the version under which it may be replaced. */
export interface ReadEntry {
  readonly entry: LeaseEntry | null;
  readonly version: string | null;
}

/** The counters that several processes share, in a Deno KV database. */
export interface LeaseKv {
  read(id: string): Promise<ReadEntry>;
  /** False when somebody else wrote meanwhile. */
  replace(id: string, entry: LeaseEntry, version: string | null): Promise<boolean>;
  /** Keys of all accounts. */
  list(): AsyncIterable<string>;
  /** Tells that a process lives; gives when each last told so, epoch ms. */
  heartbeat(slot: string, now: number): Promise<ReadonlyMap<string, number>>;
  leave(slot: string): Promise<void>;
  /** Removes everything that is shared. */
  clear(): Promise<void>;
}

const ACCOUNTS = ["lease", "account"];
const PROCESSES = ["lease", "process"];

/** The leases' part of a database. */
export function createLeaseKv(kv: Deno.Kv): LeaseKv {
  return {
    async read(id) {
      const { value, versionstamp } = await kv.get<LeaseEntry>([...ACCOUNTS, id]);
      return { entry: value, version: versionstamp };
    },
    async replace(id, entry, version) {
      const key = [...ACCOUNTS, id];
      const commit = () =>
        kv.atomic().check({ key, versionstamp: version }).set(key, entry).commit();
      return (await whenUnlocked(commit)).ok;
    },
    async *list() {
      for await (const { key } of kv.list({ prefix: ACCOUNTS })) yield String(key.at(-1));
    },
    async heartbeat(slot, now) {
      await whenUnlocked(() => kv.set([...PROCESSES, slot], now));
      const beats = new Map<string, number>();
      for await (const { key, value } of kv.list<number>({ prefix: PROCESSES })) {
        beats.set(String(key.at(-1)), value);
      }
      return beats;
    },
    leave: (slot) => whenUnlocked(() => kv.delete([...PROCESSES, slot])),
    async clear() {
      await removeAll(kv, PROCESSES);
      await removeAll(kv, ACCOUNTS);
    },
  };
}
