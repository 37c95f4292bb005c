import { isObject, type Json } from "../json.ts";
import { type ConfigPath, pathText } from "./problem.ts";
import type { ConfigTree } from "./tree.ts";
import type { Draft, Flaw } from "./tree_reader.ts";

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;
const WHOLE_REFERENCE = /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/;
const NUMBER = /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/;

/** Values of variables by name; an empty value counts as unset. */
export type Lookup = (name: string) => string | undefined;

/** A configuration whose references to variables are replaced. */
export interface Expansion {
  /** A copy: the loader may still change it. */
  readonly value: Draft;
  readonly flaws: readonly Flaw[];
  /** Provider keys that name an unset variable: such a provider loads without its key. */
  readonly unsetKeys: readonly { readonly path: ConfigPath; readonly variable: string }[];
  /** Paths (as `pathText`) whose value is exactly one reference: it takes the type of its key. */
  readonly references: ReadonlySet<string>;
}

/** Replaces `${NAME}` in every string value; `$${` stands for a literal `${`. */
export function expandTree(tree: ConfigTree, lookup: Lookup): Expansion {
  const flaws: Flaw[] = [];
  const unsetKeys: { path: ConfigPath; variable: string }[] = [];
  const references = new Set<string>();

  function unset(path: ConfigPath, variable: string): void {
    if (path.length === 3 && path[0] === "providers" && path[2] === "api_key") {
      unsetKeys.push({ path, variable });
      return;
    }
    flaws.push({
      code: "unset-variable",
      path: pathText(path),
      offset: tree.places.valueOffset(path),
      message: `variable "${variable}" is not set`,
    });
  }

  function expand(text: string, path: ConfigPath): string {
    if (WHOLE_REFERENCE.test(text)) references.add(pathText(path));
    const { value, missing } = replaceReferences(text, lookup);
    for (const variable of missing) unset(path, variable);
    return missing.length > 0 ? "" : value;
  }

  function walk(value: Json | undefined, path: ConfigPath): Draft {
    if (typeof value === "string") return expand(value, path);
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]));
    if (!isObject(value)) return (value ?? null) as Draft;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]),
    );
  }

  return { value: walk(tree.value, []), flaws, unsetKeys, references };
}

/** A text with its references replaced, and the variables that are not set. */
function replaceReferences(text: string, lookup: Lookup) {
  const missing: string[] = [];
  const value = text.replace(REFERENCE, (_, variable?: string) => {
    if (variable === undefined) return "${";
    const value = lookup(variable);
    if (!value) missing.push(variable);
    return value ?? "";
  });
  return { value, missing };
}

/** A text as the scalar that YAML would read, for a reference that takes the type of its key. */
export function scalarOf(text: string): boolean | number | string {
  if (text === "true" || text === "false") return text === "true";
  return NUMBER.test(text) ? Number(text) : text;
}
