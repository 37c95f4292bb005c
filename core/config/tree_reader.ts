import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import type { Place, Places } from "./places.ts";
import { type ConfigPath, pathText, type ProblemCode } from "./problem.ts";

/** A value while it is read. */
export type Draft = null | boolean | number | string | Draft[] | { [key: string]: Draft };

/** Something wrong at an offset of a text. */
export interface Flaw {
  readonly code: ProblemCode;
  readonly path: string;
  /** UTF-16 units from the start of the text. */
  readonly offset: number;
  readonly message: string;
}

const MAX_ALIASES = 100;

/** Walks the nodes of a document into plain values, and notes where each stands. */
export class TreeReader {
  readonly flaws: Flaw[] = [];
  readonly #document: Document;
  readonly #places: Places;
  #aliases = 0;

  constructor(document: Document, places: Places) {
    this.#document = document;
    this.#places = places;
  }

  /** Whether there were more aliases than are followed. */
  get overflowed(): boolean {
    return this.#aliases > MAX_ALIASES;
  }

  read(node: Node | null, path: ConfigPath): Draft {
    if (isAlias(node)) return this.#follow(node, path);
    if (isSeq(node)) return this.#readList(node, path);
    if (isMap(node)) return this.#readMap(node, path);
    return isScalar(node) ? node.value as Draft : null;
  }

  #follow(alias: Alias, path: ConfigPath): Draft {
    this.#aliases += 1;
    if (this.overflowed) {
      if (this.#aliases === MAX_ALIASES + 1) {
        const message = `more than ${MAX_ALIASES} aliases are expanded`;
        this.#flaw("yaml-syntax", path, start(alias), message);
      }
      return null;
    }
    const node = alias.resolve(this.#document);
    if (node) return this.read(node, path);
    const message = "no anchor of this name stands before this alias";
    this.#flaw("yaml-syntax", path, start(alias), message);
    return null;
  }

  #readList({ items }: YAMLSeq, path: ConfigPath): Draft {
    return items.map((item, index) => {
      const offset = start(item as Node);
      return this.#place([...path, index], { key: offset, value: offset }, item as Node);
    });
  }

  #readMap({ items }: YAMLMap, path: ConfigPath): Draft {
    const pairs = items.map(({ key, value }) => [key as Node, value as Node | null] as const);
    // Merges first, so that the place of a key's own value is the last one noted.
    const merged = pairs.flatMap(([key, value]) =>
      isMerge(key) ? this.#mergeSources(value, path, start(key)) : []
    );
    const own = new Map<string, number>();
    const result: { [key: string]: Draft } = {};
    for (const [key, value] of pairs) {
      if (isMerge(key)) continue;
      const name = isScalar(key) ? String(key.value) : "";
      const first = own.get(name);
      if (!isScalar(key) || name === "__proto__") {
        this.#flaw("unknown-key", path, start(key), "keys must be plain names");
      } else if (first !== undefined) {
        const message = `duplicate key; the first is in line ${this.#places.position(first).line}`;
        this.#flaw("duplicate", [...path, name], start(key), message);
      } else {
        own.set(name, start(key));
        result[name] = this.#place([...path, name], placeOf(key, value), value);
      }
    }
    return Object.assign({}, ...merged.toReversed(), result);
  }

  /** What `<<` brings in: a map, or a list of maps of which the first wins. */
  #mergeSources(node: Node | null, path: ConfigPath, offset: number): Draft[] {
    const value = this.read(node, path);
    const sources = Array.isArray(value) ? value : [value];
    if (sources.every((item) => typeof item === "object" && item && !Array.isArray(item))) {
      return sources;
    }
    this.#flaw("yaml-syntax", path, offset, '"<<" merges maps only');
    return [];
  }

  #place(path: ConfigPath, place: Place, node: Node | null): Draft {
    this.#places.set(path, place);
    return this.read(node, path);
  }

  #flaw(code: ProblemCode, path: ConfigPath, offset: number, message: string): void {
    this.flaws.push({ code, path: pathText(path), offset, message });
  }
}

function isMerge(key: Node): boolean {
  return isScalar(key) && key.value === "<<" && key.type === "PLAIN";
}

/** An empty value stands where its key does. */
function placeOf(key: Node, value: Node | null): Place {
  const empty = !value || (isScalar(value) && value.source === "");
  return { key: start(key), value: empty ? start(key) : start(value) };
}

function start(node: Node | null): number {
  return node?.range?.[0] ?? 0;
}
