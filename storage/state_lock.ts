import { dirname } from "node:path";
import type { LedgerSettings } from "../core/snapshot.ts";
import { isRemote } from "./ledger_kv.ts";

/**
 * Holds a state file for a gateway, as long as its process lives or until it is disposed of: alone,
 * unless gateways are told to share it. A server has no lock; whoever has its token may use it.
 *
 * @throws Error when another gateway uses it, or what the system says
 */
export function lockState({ path, exclusive }: LedgerSettings): Disposable {
  if (isRemote(path)) return { [Symbol.dispose]() {} };
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = Deno.openSync(`${path}.lock`, { create: true, write: true, mode: 0o600 });
  if (file.tryLockSync(exclusive)) return file;
  file.close();
  throw new Error("another gateway uses it; stop that one, or set a state_path of its own");
}
