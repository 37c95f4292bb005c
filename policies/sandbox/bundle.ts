import { fileURLToPath } from "node:url";

/** A policy as one script, and what it was made of. */
export interface Bundle {
  /** A classic script that leaves the exports in `__policy`. */
  readonly code: string;
  /** SHA-256 of the code, hex: it names the version. */
  readonly digest: string;
  readonly bytes: number;
  /** Source map of the code, JSON. */
  readonly map: string;
  /** Absolute path of each source, by the name it has in the map. */
  readonly sources: Readonly<Record<string, string>>;
  /** What its author says of it, as it was verified; absent: it was not built before. */
  readonly built?: BuiltTexts;
}

/** The texts of a built policy's manifest and signature; `null`: it is not signed. */
export interface BuiltTexts {
  readonly manifestJson: string;
  readonly signatureJson: string | null;
}

/** Why a policy has no bundle; `line` and `column` are from 1, and 0 where there is no place. */
export interface BundleFlaw {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** Whose it is: the code's, that of something that is not allowed, or of a file that is not there. */
  readonly kind: "broken" | "refused" | "unreadable";
}

/** A bundle, or every reason why there is none. */
export type BundleResult =
  | { readonly ok: true; readonly bundle: Bundle }
  | { readonly ok: false; readonly flaws: readonly BundleFlaw[] };

/** What the bundler's thread is told. */
export interface BundleRequest {
  readonly id: number;
  /** Absolute path of the policy, with links resolved. */
  readonly path: string;
  /** Absolute folder that its sources must lie in, with links resolved. */
  readonly root: string;
}

/** What the bundler's thread answers. */
export interface BundleAnswer {
  readonly id: number;
  readonly result: BundleResult;
}

/** Largest bundle, bytes. */
export const MAX_BUNDLE_BYTES = 1_048_576;

/** The bundler, as its package brings it. */
export const ESBUILD_WASM = fileURLToPath(import.meta.resolve("esbuild-wasm/esbuild.wasm"));
