/** Things with a name, found by it. */
export interface Registry<Item> {
  /** Finds an item; an unknown name throws a `RangeError` that lists the known ones. */
  get(name: string): Item;
  /** Whether an item of this name is registered. */
  has(name: string): boolean;
  /** The items in the order of their list. */
  readonly items: readonly Item[];
  /** Sorted. */
  readonly names: readonly string[];
}

/**
 * Builds a registry; a repeated name is a programming error and throws at once.
 *
 * @example Usage
 * ```ts
 * import { registry } from "@/core/registry.ts";
 *
 * const pets = registry("pet", [{ name: "cat", legs: 4 }]);
 * if (pets.get("cat").legs !== 4) throw new Error("Cannot count");
 * ```
 */
export function registry<Item extends { readonly name: string }>(
  kind: string,
  items: readonly Item[],
): Registry<Item> {
  const byName = new Map(items.map((item) => [item.name, item]));
  if (byName.size !== items.length) {
    throw new RangeError(`Cannot register ${kind}s: a name repeats`);
  }
  const names = [...byName.keys()].sort();
  return {
    items,
    names,
    has: (name) => byName.has(name),
    get(name) {
      const item = byName.get(name);
      if (item) return item;
      throw new RangeError(
        `Cannot find ${kind} "${name}": known ${kind}s are ${names.join(", ")}`,
      );
    },
  };
}
