import { hash, type KeyObject } from "node:crypto";
import { dirname } from "node:path";
import type { PolicyTrust } from "../../core/policy_runner.ts";
import type { BundleFlaw, BundleResult } from "../sandbox/bundle.ts";
import { contains } from "../sandbox/imports.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { isSignedBy, parsePublicKey, parseSignature } from "./signature.ts";

/** What a built policy must hold to. */
export interface BuiltPolicyRules {
  /** Absolute folder that its files must lie in. */
  readonly root: string;
  readonly trust: PolicyTrust;
  /** `host:port` that it is granted. */
  readonly net: readonly string[];
}

/** Whether a path is that of a manifest. */
export function isManifest(path: string): boolean {
  return path.endsWith(".json");
}

/** The files of a built policy, by the path of its manifest. */
export function builtFiles(manifest: string) {
  const base = manifest.slice(0, -".json".length);
  return { manifest, script: `${base}.js`, signature: `${base}.sig` };
}

/** Why a built policy is not used. */
class Refused extends Error {
  constructor(readonly flaw: BundleFlaw) {
    super(flaw.message);
  }
}

/** Reads a built policy, and refuses one that is not what its author and the configuration say. */
export function readBuilt(path: string, { root, trust, net }: BuiltPolicyRules): BundleResult {
  const files = builtFiles(path);
  try {
    const manifestBytes = readWithin(files.manifest, root);
    const manifest = manifestOf(manifestBytes, path);
    const signature = tryRead(files.signature, root);
    checkSignature(manifestBytes, signature, { file: files.signature, trust, path });
    checkGrants(manifest, net, path);
    const code = checkedScript(manifest, readWithin(files.script, root), files.script);
    return {
      ok: true,
      bundle: {
        code,
        digest: manifest.digest,
        bytes: manifest.bytes,
        map: NO_MAP,
        sources: files,
        built: {
          manifestJson: textOf(manifestBytes),
          signatureJson: signature && textOf(signature),
        },
      },
    };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, flaws: [error.flaw] };
    throw error;
  }
}

/** A built policy brings no map: its places are those of the bundle. */
const NO_MAP = JSON.stringify({ version: 3, sources: [], names: [], mappings: "" });

function refuse(file: string, message: string, kind: BundleFlaw["kind"] = "refused"): never {
  throw new Refused({ file, line: 0, column: 0, message, kind });
}

/** The bytes of a file; a link must not lead out of the folder. */
function readWithin(path: string, root: string): Uint8Array<ArrayBuffer> {
  const bytes = tryRead(path, root);
  return bytes ?? refuse(path, "there is no such file", "unreadable");
}

function tryRead(path: string, root: string): Uint8Array<ArrayBuffer> | null {
  try {
    const real = Deno.realPathSync(path);
    if (!contains(Deno.realPathSync(root), dirname(real))) {
      refuse(path, `the policy lies outside "${root}"`);
    }
    return Deno.readFileSync(real);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function manifestOf(bytes: Uint8Array, path: string): Manifest {
  const read = parseManifest(textOf(bytes));
  return read.ok ? read.manifest : refuse(path, read.message);
}

/** A signature that is there must be good, whether or not one is required. */
function checkSignature(
  manifest: Uint8Array,
  bytes: Uint8Array | null,
  { file, trust, path }: Pick<BuiltPolicyRules, "trust"> & {
    readonly file: string;
    readonly path: string;
  },
): void {
  if (bytes === null) {
    if (trust.required) refuse(path, "the policy is not signed, and a signature is required");
    return;
  }
  if (!trust.required && trust.keys.length === 0) return;
  const signature = parseSignature(textOf(bytes));
  if (signature === null) refuse(file, "the signature cannot be read");
  const key = trust.keys.find(({ keyId }) => keyId === signature.keyId);
  if (!key) refuse(file, `the policy is signed by an unknown key, "${signature.keyId}"`);
  if (!isSignedBy(manifest, signature, readKey(key.path))) {
    refuse(file, `the signature is not that of key "${signature.keyId}" over this manifest`);
  }
}

function readKey(path: string): KeyObject {
  try {
    return parsePublicKey(Deno.readTextFileSync(path));
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : "it is no Ed25519 key in PEM";
    return refuse(path, `the public key cannot be read: ${reason}`, "unreadable");
  }
}

function checkGrants({ permissions }: Manifest, granted: readonly string[], path: string): void {
  const more = permissions.net.filter((host) => !granted.includes(host));
  if (more.length === 0) return;
  refuse(path, `the policy wants to reach ${more.join(", ")}, which its group does not grant`);
}

function checkedScript(manifest: Manifest, bytes: Uint8Array<ArrayBuffer>, file: string): string {
  const digest = hash("sha256", bytes, "hex");
  if (digest !== manifest.digest) {
    refuse(file, `the bundle is not that of the manifest: its digest is ${digest.slice(0, 12)}`);
  }
  if (bytes.length !== manifest.bytes) {
    refuse(file, `the bundle has ${bytes.length} bytes; the manifest says ${manifest.bytes}`);
  }
  return textOf(bytes);
}
