import type { NewRow, Value } from "./database.ts";
import { columnsOf, type Kind, type Table } from "./table.ts";

/** A line that no database would take; its content is wrong. */
export class LineError extends Error {
  override readonly name = "LineError";
}

/** Members of a parsed line. */
export type Members = Record<string, unknown>;

/**
 * Reads rows of one table: names that are no column are ignored. A number that its column does not hold is
 * refused, unless every digit of it is known: then the nearest that fits stands for it.
 */
export type RowReader = (members: Members, isExact?: boolean) => NewRow;

/** Members with the same names in the same order share a shape. */
interface Shape {
  readonly names: readonly string[];
  /** Those of the names that are columns, their places among the names, and their kinds. */
  readonly columns: readonly string[];
  readonly places: readonly number[];
  readonly kinds: readonly Kind[];
}

/** Shapes kept per table. */
const MAX_SHAPES = 256;

/**
 * Builds a reader. Every engine gets the same verdict on a value, so it is made here.
 *
 * @throws LineError (the reader) when a value is none of its column
 */
export function createRowReader(table: Table): RowReader {
  const kindOf = new Map(columnsOf(table).map(({ name, kind }) => [name, kind]));
  const shapes = new Map<string, Shape>();
  let last: Shape | undefined;

  function shapeOf(names: readonly string[]): Shape {
    if (last && isSame(last.names, names)) return last;
    const key = names.join();
    let shape = shapes.get(key);
    if (!shape) {
      const places = [...names.keys()].filter((place) => kindOf.has(names[place]!));
      const columns = places.map((place) => names[place]!);
      const kinds = columns.map((name) => kindOf.get(name)!);
      if (shapes.size >= MAX_SHAPES) shapes.clear();
      shapes.set(key, shape = { names, columns, places, kinds });
    }
    return last = shape;
  }

  return (members, isExact = false) => {
    const { columns, places, kinds } = shapeOf(Object.keys(members));
    // All at once: a look-up by name of each of a hundred columns takes several times as long.
    const all = Object.values(members);
    const values = new Array<Value>(columns.length);
    for (let place = 0; place < columns.length; place += 1) {
      const kind = kinds[place]!;
      let value = all[places[place]!];
      if (isExact && !isOf(kind, value)) value = nearest(kind, value);
      if (!isOf(kind, value)) {
        throw new LineError(
          `Cannot load a line: ${table.name}.${columns[place]} is no value of it`,
        );
      }
      values[place] = value;
    }
    return { columns, values };
  };
}

const MAX_INT = 2 ** 31 - 1;
const MAX_BIGINT = 2n ** 63n - 1n;

/**
 * The whole number next to a value that a column of whole numbers holds. Callers and providers may say any
 * number, and no call goes uncounted for one. What 64 bits do not hold becomes a number that can be added
 * up a thousand times.
 */
function nearest(kind: Kind, value: unknown): unknown {
  if (kind.startsWith("text") || (typeof value !== "number" && typeof value !== "bigint")) {
    return value;
  }
  const most = kind.startsWith("bigint") ? Number.MAX_SAFE_INTEGER : MAX_INT;
  if (kind.startsWith("bigint") && typeof value === "number") {
    const whole = Math.round(value);
    if (Math.abs(whole) < Number(MAX_BIGINT)) return BigInt(whole);
  }
  return Math.min(most, Math.max(-most, Math.round(Number(value))));
}

function isOf(kind: Kind, value: unknown): value is Value {
  switch (typeof value) {
    case "string":
      return kind === "text" || kind === "text?";
    case "number":
      if (!Number.isSafeInteger(value)) return false;
      if (kind === "bigint" || kind === "bigint?") return true;
      return kind !== "text" && kind !== "text?" && value <= MAX_INT && value >= -MAX_INT;
    case "bigint":
      return (kind === "bigint" || kind === "bigint?") && value <= MAX_BIGINT &&
        value >= -MAX_BIGINT;
    default:
      return value === null && kind.endsWith("?");
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let place = 0; place < a.length; place += 1) if (a[place] !== b[place]) return false;
  return true;
}
