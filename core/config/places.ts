import type { ConfigPath } from "./problem.ts";

/** Offsets of a value and its key, in UTF-16 units from the start of the text. */
export interface Place {
  /** Of an item of a list: as `value`. */
  readonly key: number;
  readonly value: number;
}

/** The places of a text, as they go from thread to thread: few large values, since many small ones are slow. */
export interface PackedPlaces {
  /** Paths as JSON, a line each. */
  readonly paths: string;
  /** Two for each path: of its key and of its value. */
  readonly offsets: Int32Array<ArrayBuffer>;
}

/** Where the values of a text stand. Only problems ask. */
export class Places {
  readonly #text: string;
  #lines: readonly number[] | null = null;
  #packed: PackedPlaces | null;
  #byPath = new Map<string, Place>();

  constructor(text: string, packed: PackedPlaces | null = null) {
    this.#text = text;
    this.#packed = packed;
  }

  set(path: ConfigPath, place: Place): void {
    this.#places().set(JSON.stringify(path), place);
  }

  /** Offset of a value's key; a path that is not there: of its parent. */
  keyOffset(path: ConfigPath): number {
    if (path.length === 0) return 0;
    return this.#places().get(JSON.stringify(path))?.key ?? this.keyOffset(path.slice(0, -1));
  }

  /** Offset of a value; a path that is not there: of its parent's key. */
  valueOffset(path: ConfigPath): number {
    return this.#places().get(JSON.stringify(path))?.value ?? this.keyOffset(path);
  }

  /** Line and column of an offset, from 1, in characters. */
  position(offset: number): { readonly line: number; readonly column: number } {
    const starts = this.#lines ??= lineStarts(this.#text);
    const line = starts.findLastIndex((start) => start <= offset);
    const before = this.#text.slice(starts[line], offset);
    return { line: line + 1, column: [...before].length + 1 };
  }

  pack(): PackedPlaces {
    const places = this.#places();
    const offsets = new Int32Array(2 * places.size);
    let at = 0;
    for (const { key, value } of places.values()) {
      offsets[at++] = key;
      offsets[at++] = value;
    }
    return { paths: [...places.keys()].join("\n"), offsets };
  }

  #places(): Map<string, Place> {
    if (this.#packed) this.#byPath = unpacked(this.#packed);
    this.#packed = null;
    return this.#byPath;
  }
}

function unpacked({ paths, offsets }: PackedPlaces): Map<string, Place> {
  if (offsets.length === 0) return new Map();
  return new Map(
    paths.split("\n").map((path, place) =>
      [path, { key: offsets[2 * place]!, value: offsets[2 * place + 1]! }] as const
    ),
  );
}

/** Offset of each line's first character. */
function lineStarts(text: string): readonly number[] {
  const breaks = [...text.matchAll(/\r\n|\n|\r/g)];
  return [0, ...breaks.map((match) => match.index + match[0].length)];
}
