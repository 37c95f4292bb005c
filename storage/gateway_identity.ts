import { whenUnlocked } from "./ledger_kv.ts";

/** What all processes of one gateway share: made once, and kept in its state. */
export interface GatewayIdentity {
  /** `gw_` and 16 hex digits. */
  readonly gatewayId: string;
  /** Key of fingerprints, 32 bytes. */
  readonly fingerprintKey: Uint8Array;
}

const ID = ["gateway_id"];
const KEY = ["fingerprint_key"];

/** Reads the identity of a state; the first process makes it. */
export async function readIdentity(kv: Deno.Kv): Promise<GatewayIdentity> {
  const randomBytes = (size: number) => crypto.getRandomValues(new Uint8Array(size));
  return {
    gatewayId: await madeOnce(kv, ID, () => `gw_${randomBytes(8).toHex()}`),
    fingerprintKey: await madeOnce(kv, KEY, () => randomBytes(32)),
  };
}

/** The key of fingerprints that an operator gives instead: 64 hex digits; `null` when it is not. */
export function readFingerprintKey(hex: string): Uint8Array | null {
  return /^[0-9a-f]{64}$/i.test(hex) ? Uint8Array.fromHex(hex) : null;
}

async function madeOnce<Value>(kv: Deno.Kv, key: Deno.KvKey, make: () => Value): Promise<Value> {
  for (;;) {
    const { value } = await kv.get<Value>(key);
    if (value !== null) return value;
    const absent = { key, versionstamp: null };
    await whenUnlocked(() => kv.atomic().check(absent).set(key, make()).commit());
  }
}
