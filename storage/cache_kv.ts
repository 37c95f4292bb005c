import type { CachedReply, CacheStore } from "../core/cache/entry.ts";
import type { Log } from "../core/log.ts";
import { parseJson } from "../core/parse_json.ts";
import { within } from "../core/wait.ts";
import { stateFault } from "./state_fault.ts";

/** Largest piece of a value: Deno KV takes 64 KiB. */
const CHUNK_BYTES = 63 * 1024;
/** A store that answers later than this has nothing, ms. */
const ANSWER_MS = 20;
const IV_BYTES = 12;

/** What the pieces of a reply are put together from. */
interface Head {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly chunks: number;
}

/**
 * Replies in Deno KV, encrypted with AES-256-GCM under a key of 32 bytes. The pieces of one reply are
 * written in one commit; the key of the reply is authenticated, so that no value stands for another.
 */
export async function openCacheKv(
  kv: Deno.Kv,
  secret: Uint8Array<ArrayBuffer>,
  { log, now }: { readonly log: Log; now(): number },
): Promise<CacheStore> {
  const key = await crypto.subtle.importKey("raw", secret, "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);

  async function read(id: string): Promise<CachedReply | null> {
    const { value: head } = await kv.get<Head>(["cache", id]);
    if (head === null) return null;
    const keys = Array.from({ length: head.chunks }, (_, place) => ["cache", id, place]);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (const { value } of await kv.getMany<Uint8Array<ArrayBuffer>[]>(keys)) {
      if (!(value instanceof Uint8Array)) return null;
      chunks.push(value);
    }
    const sealed = new Uint8Array(await new Blob(chunks).arrayBuffer());
    const plain = await crypto.subtle.decrypt(cipher(head.iv, id), key, sealed);
    return unpack(new Uint8Array(plain));
  }

  async function write(id: string, reply: CachedReply): Promise<void> {
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const sealed = new Uint8Array(await crypto.subtle.encrypt(cipher(iv, id), key, pack(reply)));
    const chunks = Math.ceil(sealed.length / CHUNK_BYTES);
    const options = { expireIn: Math.max(1, reply.expiresAt - now()) };
    const commit = kv.atomic().set(["cache", id], { iv, chunks } satisfies Head, options);
    for (let place = 0; place < chunks; place++) {
      const chunk = sealed.slice(place * CHUNK_BYTES, (place + 1) * CHUNK_BYTES);
      commit.set(["cache", id, place], chunk, options);
    }
    await commit.commit();
  }

  return {
    get: (id) => within(read(id), ANSWER_MS).catch(() => null),
    set(id, reply) {
      write(id, reply).catch((error) => {
        const words = "Cannot keep a reply in the state";
        log.write("warn", "cache_failed", words, { reason: stateFault(error) });
      });
    },
  };
}

function cipher(iv: Uint8Array<ArrayBuffer>, id: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(id) };
}

/** The facts as JSON with their length before it, then the body. */
function pack({ bytes, ...facts }: CachedReply): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(facts));
  const packed = new Uint8Array(4 + json.length + bytes.length);
  new DataView(packed.buffer).setUint32(0, json.length);
  packed.set(json, 4);
  packed.set(bytes, 4 + json.length);
  return packed;
}

function unpack(packed: Uint8Array<ArrayBuffer>): CachedReply {
  const length = new DataView(packed.buffer).getUint32(0);
  const facts: Omit<CachedReply, "bytes"> = parseJson(
    new TextDecoder().decode(packed.subarray(4, 4 + length)),
  );
  return { ...facts, bytes: packed.slice(4 + length) };
}

/** A key of 32 bytes in hex or base64; `null` when it is none. */
export function readCacheKey(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const bytes = /^[0-9a-f]{64}$/i.test(text)
      ? Uint8Array.fromHex(text)
      : Uint8Array.fromBase64(text);
    return bytes.length === 32 ? bytes : null;
  } catch {
    return null;
  }
}
