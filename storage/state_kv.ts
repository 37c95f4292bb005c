import type { StateStore } from "../core/state_store.ts";
import { openKv, whenUnlocked } from "./ledger_kv.ts";

/** Where a fact stands in the database. */
export function stateKey(name: string): readonly string[] {
  return ["state", name];
}

/** Opens the shared facts in the database of the counters: a file, or a KV Connect server. */
export async function openStateKv(path: string): Promise<StateStore> {
  const kv = await openKv(path);
  const read = async (name: string) => (await kv.get<unknown>(stateKey(name))).value;
  return {
    get: read,
    async set(name, value) {
      await whenUnlocked(() => kv.set(stateKey(name), value));
    },
    async delete(name) {
      await whenUnlocked(() => kv.delete(stateKey(name)));
    },
    async keep(name, text) {
      const key = stateKey(name);
      const first = () => kv.atomic().check({ key, versionstamp: null }).set(key, text).commit();
      await whenUnlocked(first);
      const kept = await read(name);
      return typeof kept === "string" ? kept : text;
    },
    close: () => kv.close(),
  };
}
