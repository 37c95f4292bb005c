import type { ConfigPath } from "./problem.ts";

/** Offsets of a value and its key, in UTF-16 units from the start of the text. */
export interface Place {
  /** Of an item of a list: as `value`. */
  readonly key: number;
  readonly value: number;
}

/** Where the values of a text stand. */
export class Places {
  readonly #text: string;
  /** Offset of each line's first character. */
  readonly #lines: readonly number[];
  readonly #byPath = new Map<string, Place>();

  constructor(text: string) {
    this.#text = text;
    const breaks = [...text.matchAll(/\r\n|\n|\r/g)];
    this.#lines = [0, ...breaks.map((match) => match.index + match[0].length)];
  }

  set(path: ConfigPath, place: Place): void {
    this.#byPath.set(JSON.stringify(path), place);
  }

  /** Offset of a value's key; a path that is not there: of its parent. */
  keyOffset(path: ConfigPath): number {
    if (path.length === 0) return 0;
    return this.#byPath.get(JSON.stringify(path))?.key ?? this.keyOffset(path.slice(0, -1));
  }

  /** Offset of a value; a path that is not there: of its parent's key. */
  valueOffset(path: ConfigPath): number {
    return this.#byPath.get(JSON.stringify(path))?.value ?? this.keyOffset(path);
  }

  /** Line and column of an offset, from 1, in characters. */
  position(offset: number): { readonly line: number; readonly column: number } {
    const line = this.#lines.findLastIndex((start) => start <= offset);
    const before = this.#text.slice(this.#lines[line], offset);
    return { line: line + 1, column: [...before].length + 1 };
  }
}
