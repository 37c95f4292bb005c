/// <reference lib="deno.worker" />
import * as esbuild from "esbuild-wasm/esm/browser.js";
import { hash } from "node:crypto";
import { basename, dirname, relative } from "node:path";
import {
  type BundleAnswer,
  type BundleFlaw,
  type BundleRequest,
  type BundleResult,
  ESBUILD_WASM,
  MAX_BUNDLE_BYTES,
} from "./bundle.ts";
import { contains, findImport, SDK_FOLDERS } from "./imports.ts";

/** Where sources are loaded from, for esbuild. */
const NAMESPACE = "policy";

/**
 * Makes one script of a policy and what it imports, with a map back to its sources. The same sources
 * give the same bytes wherever they lie.
 */
async function bundle({ path, root }: BundleRequest): Promise<BundleResult> {
  const names = new Map<string, string>();
  try {
    const result = await esbuild.build({
      ...OPTIONS,
      entryPoints: [path],
      plugins: [sourcesOnDisk({ entry: path, root, names })],
    });
    return resultOf(result, path, names);
  } catch (error) {
    return { ok: false, flaws: flawsOf(error, path, names) };
  }
}

const OPTIONS = {
  bundle: true,
  write: false,
  outfile: "policy.js",
  format: "iife",
  globalName: "__policy",
  target: "es2024",
  platform: "neutral",
  charset: "utf8",
  legalComments: "none",
  sourcemap: "external",
  sourcesContent: false,
  logLevel: "silent",
  // What is still imported while it runs becomes a call that can be found.
  supported: { "dynamic-import": false },
} as const;

interface SourceOptions {
  readonly entry: string;
  readonly root: string;
  /** Gets the absolute path of each source by the name it has in the bundle. */
  readonly names: Map<string, string>;
}

/** Loads sources from disk, and refuses what is not there or lies elsewhere. */
function sourcesOnDisk({ entry, root, names }: SourceOptions): esbuild.Plugin {
  const named = (path: string) => {
    const name = SDK_FOLDERS.some((folder) => contains(folder, path))
      ? `pointsman/${basename(path)}`
      : relative(dirname(entry), path);
    names.set(name, path);
    return { path: name, namespace: NAMESPACE, pluginData: path };
  };
  return {
    name: "sources-on-disk",
    setup(build) {
      build.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
        if (kind === "entry-point") return named(path);
        const found = findImport(path, names.get(importer) ?? entry, root);
        if ("path" in found) return named(found.path);
        return { errors: [{ text: `cannot import "${path}": ${found.refused}`, detail: REFUSED }] };
      });
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ pluginData: path }) => ({
        contents: Deno.readTextFileSync(path),
        loader: path.endsWith(".json") ? "json" : /\.[cm]?ts$/.test(path) ? "ts" : "js",
      }));
    },
  };
}

function resultOf(
  { outputFiles = [] }: esbuild.BuildResult,
  path: string,
  names: ReadonlyMap<string, string>,
): BundleResult {
  const text = (ending: string) =>
    outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
  const code = text(".js");
  const bytes = new TextEncoder().encode(code).length;
  const refusal = code.includes(DYNAMIC_IMPORT)
    ? "the name of an import must be written out"
    : bytes > MAX_BUNDLE_BYTES
    ? `the bundle has ${bytes} bytes, more than ${MAX_BUNDLE_BYTES}`
    : null;
  if (refusal !== null) {
    return { ok: false, flaws: [{ ...NOWHERE, file: path, message: refusal, kind: "refused" }] };
  }
  return {
    ok: true,
    bundle: {
      code,
      digest: hash("sha256", code, "hex"),
      bytes,
      map: text(".map"),
      sources: Object.fromEntries([...names].map(([name, path]) => [`${NAMESPACE}:${name}`, path])),
    },
  };
}

/** What esbuild writes where a name is only known while it runs. */
const DYNAMIC_IMPORT = "Dynamic require of ";

const NOWHERE = { line: 0, column: 0 };

/** Marks the errors of what a policy may not import. */
const REFUSED = "refused";

function flawsOf(
  error: unknown,
  path: string,
  names: ReadonlyMap<string, string>,
): readonly BundleFlaw[] {
  const messages = error instanceof Error && "errors" in error && Array.isArray(error.errors)
    ? error.errors as readonly esbuild.Message[]
    : [];
  if (messages.length === 0) {
    const message = error instanceof Error ? error.message : "failed";
    return [{ ...NOWHERE, file: path, message, kind: "broken" }];
  }
  return messages.map(({ text, location, detail }) => ({
    file: names.get(location?.file.replace(`${NAMESPACE}:`, "") ?? "") ?? path,
    line: location?.line ?? 0,
    column: location ? location.column + 1 : 0,
    message: text,
    kind: detail === REFUSED ? "refused" : "broken",
  }));
}

const ready = WebAssembly.compile(Deno.readFileSync(ESBUILD_WASM))
  .then((wasmModule) => esbuild.initialize({ wasmModule, worker: false }));

self.onmessage = async ({ data }: MessageEvent<BundleRequest>) => {
  await ready;
  const answer: BundleAnswer = { id: data.id, result: await bundle(data) };
  self.postMessage(answer);
};
