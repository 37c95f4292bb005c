import type { StateStore } from "../core/state_store.ts";
import { whenUnlocked } from "./ledger_kv.ts";

/** Where a fact stands in the database. */
export function stateKey(name: string): readonly string[] {
  return ["state", name];
}

/** The shared facts' part of a database. */
export function createStateKv(kv: Deno.Kv): StateStore {
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
  };
}
