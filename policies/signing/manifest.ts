import { hash } from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "../../core/config/canonical.ts";
import { parseJson } from "../../core/parse_json.ts";
import deno from "../../deno.json" with { type: "json" };
import { type Bundle, MAX_BUNDLE_BYTES } from "../sandbox/bundle.ts";

/** Version of the contract between gateway and policies. */
export const CONTRACT = 1;

const digest = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hex digits");

/** What a built policy is: its bundle by digest, and what it asks for. */
const manifestSchema = z.strictObject({
  contract: z.literal(CONTRACT, `expected ${CONTRACT}, the contract of this gateway`),
  name: z.string(),
  /** SHA-256 of the bundle, hex. */
  digest,
  bytes: z.int().min(0).max(MAX_BUNDLE_BYTES),
  /** Version of the bundler. */
  esbuild: z.string(),
  /** `host:port` that it wants to reach; there is no other permission. */
  permissions: z.strictObject({ net: z.array(z.string()) }),
  sources: z.array(z.strictObject({ path: z.string(), digest })),
});

/** A manifest, read. */
export type Manifest = z.infer<typeof manifestSchema>;

/** A manifest, or what is wrong with it. */
export type ManifestResult =
  | { readonly ok: true; readonly manifest: Manifest }
  | { readonly ok: false; readonly message: string };

/** Reads the text of a manifest. */
export function parseManifest(text: string): ManifestResult {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return { ok: false, message: "the manifest is no JSON" };
  }
  const { data, error } = manifestSchema.safeParse(value);
  if (data) return { ok: true, manifest: data };
  return { ok: false, message: error.issues.map(messageOf).join("; ") };
}

function messageOf(issue: z.core.$ZodIssue): string {
  const path = issue.path.join(".");
  if (issue.code !== "unrecognized_keys") return `the manifest's ${path}: ${issue.message}`;
  const names = issue.keys.map((key) => `"${key}"`).join(", ");
  return path === "permissions"
    ? `the manifest asks for an unknown permission: ${names}`
    : `the manifest has unknown members: ${names}`;
}

/** What the manifest of a bundle says beside it. */
export interface ManifestFacts {
  readonly name: string;
  /** `host:port`, each. */
  readonly net: readonly string[];
}

/** The text of a bundle's manifest: without a clock, so that the same sources give the same bytes. */
export function manifestText({ digest, bytes, sources }: Bundle, facts: ManifestFacts): string {
  const manifest: Manifest = {
    contract: CONTRACT,
    name: facts.name,
    digest,
    bytes,
    esbuild: deno.imports["esbuild-wasm"].split("@").at(-1) ?? "",
    permissions: { net: [...new Set(facts.net)].sort() },
    sources: Object.entries(sources).map(([source, path]) => ({
      path: source.replace("policy:", ""),
      digest: hash("sha256", Deno.readFileSync(path), "hex"),
    })).sort((a, b) => a.path < b.path ? -1 : 1),
  };
  return canonicalJson(manifest) + "\n";
}
