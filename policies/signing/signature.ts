import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { z } from "zod";
import { parseJson } from "../../core/parse_json.ts";

/** A signature over the bytes of a manifest; `signature` is base64. */
const signatureSchema = z.strictObject({
  keyId: z.string(),
  algorithm: z.literal("ed25519"),
  signature: z.base64(),
});

/** A signature file, read. */
export type Signature = z.infer<typeof signatureSchema>;

/** A pair of Ed25519 keys as PEM: PKCS #8 and SPKI. */
export function generateKeys(): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

/**
 * Signs a manifest; gives the text of its signature file.
 *
 * @throws {Error} when the key is no Ed25519 key in PEM
 */
export function signManifest(
  manifest: Uint8Array,
  { privateKey, keyId }: { readonly privateKey: string; readonly keyId: string },
): string {
  const key = ed25519(createPrivateKey(privateKey));
  const made: Signature = {
    keyId,
    algorithm: "ed25519",
    signature: sign(null, manifest, key).toString("base64"),
  };
  return JSON.stringify(made) + "\n";
}

/** Reads a signature file; `null`: it is none. */
export function parseSignature(text: string): Signature | null {
  try {
    return signatureSchema.parse(parseJson(text));
  } catch {
    return null;
  }
}

/** Whether a signature over these bytes is that of a key. */
export function isSignedBy(
  manifest: Uint8Array,
  { signature }: Signature,
  publicKey: KeyObject,
): boolean {
  return verify(null, manifest, publicKey, Uint8Array.fromBase64(signature));
}

/**
 * Reads a public key in PEM.
 *
 * @throws {Error} when it is no Ed25519 key
 */
export function parsePublicKey(pem: string): KeyObject {
  return ed25519(createPublicKey(pem));
}

function ed25519(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== "ed25519") throw new TypeError("the key is no Ed25519 key");
  return key;
}
