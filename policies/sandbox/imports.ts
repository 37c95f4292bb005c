import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { exports as exportsOf, legacy } from "resolve.exports";
import { parseJson } from "../../core/parse_json.ts";

/** What authors import of ours. */
const SDK: Readonly<Record<string, string>> = {
  "@pointsman/sdk": fileURLToPath(new URL("../sdk/mod.ts", import.meta.url)),
};

/** Folders of ours that the SDK is made of. */
export const SDK_FOLDERS: readonly string[] = ["../sdk/", "../../core/"].map((folder) =>
  fileURLToPath(new URL(folder, import.meta.url))
);

/** Where an import leads: an absolute path, or why it leads nowhere. */
export type Import = { readonly path: string } | { readonly refused: string };

/** Endings that a relative import may leave out. */
const ENDINGS = ["", ".ts", ".js", ".mjs", "/index.ts", "/index.js"];

/**
 * Finds what a source imports: relative files, packages in a `node_modules` folder, and the SDK.
 * Nothing is fetched, and nothing outside `root` is read.
 *
 * @param importer absolute path of the source
 */
export function findImport(specifier: string, importer: string, root: string): Import {
  const ours = SDK[specifier];
  if (ours !== undefined) return { path: ours };
  if (/^[a-z][a-z0-9+.-]*:/i.test(specifier)) return { refused: REFUSED_SCHEME };
  if (/^\.{1,2}(?:\/|$)/.test(specifier)) {
    return within(root, firstFile(resolve(dirname(importer), specifier)), specifier);
  }
  if (specifier.startsWith("/")) return { refused: "an import is relative or names a package" };
  return within(root, findPackage(specifier, dirname(importer), root), specifier);
}

const REFUSED_SCHEME = "a policy imports relative files, packages on disk and @pointsman/sdk only";

function within(root: string, found: string | null, specifier: string): Import {
  if (found === null) return { refused: `"${specifier}" is not there` };
  const path = Deno.realPathSync(found);
  return contains(root, path) || SDK_FOLDERS.some((folder) => contains(folder, path))
    ? { path }
    : { refused: `"${specifier}" leads outside the folder of the configuration` };
}

/** Whether a path lies in a folder; both absolute. */
export function contains(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return !inside.startsWith("..") && !inside.startsWith("/");
}

function firstFile(path: string): string | null {
  return ENDINGS.map((ending) => path + ending).find(isFile) ?? null;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The nearest `node_modules` folder that has the package, from the importer up to the root. */
function findPackage(specifier: string, from: string, root: string): string | null {
  const [, name = "", subpath = ""] = /^((?:@[^/]+\/)?[^/]+)(?:\/(.*))?$/.exec(specifier) ?? [];
  for (let folder = from;; folder = dirname(folder)) {
    const home = join(folder, "node_modules", name);
    const manifest = join(home, "package.json");
    if (isFile(manifest)) {
      return entryOf(home, parseJson(Deno.readTextFileSync(manifest)), subpath);
    }
    if (folder === dirname(folder) || !contains(root, dirname(folder))) return null;
  }
}

function entryOf(home: string, manifest: object, subpath: string): string | null {
  if ("exports" in manifest) {
    const [entry] = exportsOf(manifest, subpath || ".") ?? [];
    return entry === undefined ? null : firstFile(join(home, entry));
  }
  const main = subpath || legacy(manifest, { fields: ["module", "main"] });
  return firstFile(join(home, typeof main === "string" ? main : "index.js"));
}
