/**
 * Kinds of columns. `text`, `int`, `bigint` and `bool` are NOT NULL with default `''` or 0; a `?` makes
 * a column nullable: NULL is unknown, 0 is a measured zero. There is no float.
 */
export type Kind = "text" | "text?" | "bool" | "int" | "int?" | "bigint" | "bigint?";

/** A table as data: its primary key, and its columns by kind. */
export interface Table {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: { readonly [K in Kind]?: readonly string[] };
}

/** A view on one table; `usd` columns end in `_nusd` there and in `_usd` here. */
export interface View {
  readonly name: string;
  readonly of: string;
  readonly columns: readonly string[];
  readonly usd: readonly string[];
}

/** One column of a table. */
export interface Column {
  readonly name: string;
  readonly kind: Kind;
}

/** Keeps the literal names of a table, so that its row has a type. */
export function table<const T extends Table>(definition: T): T {
  return definition;
}

/**
 * Splits lines of names at single spaces, in the type as well.
 *
 * @example Usage
 * ```ts
 * import { words } from "@/storage/table.ts";
 *
 * if (words("id name", "ts").join() !== "id,name,ts") throw new Error("Cannot split");
 * ```
 */
export function words<const Lines extends readonly string[]>(
  ...lines: Lines
): readonly Word<Lines[number]>[] {
  return lines.join(" ").split(" ") as Word<Lines[number]>[];
}

/** The words of a text. */
export type Word<Text extends string> = Text extends `${infer First} ${infer Rest}`
  ? First | Word<Rest>
  : Text;

/** The columns of a table, key first as it is, then by kind. */
export function columnsOf(table: Table): readonly Column[] {
  const columns = Object.entries(table.columns)
    .flatMap(([kind, names]) => names.map((name) => ({ name, kind: kind as Kind })));
  const rank = ({ name }: Column) => {
    const place = table.key.indexOf(name);
    return place < 0 ? table.key.length : place;
  };
  return columns.toSorted((a, b) => rank(a) - rank(b));
}
