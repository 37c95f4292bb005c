import {
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  stringify,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";

/** A caller as the configuration holds it; keys that are `undefined` are left out. */
export type CallerEntry = Readonly<Record<string, unknown>>;

/** Text in place of a range of another. */
interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * The text with one more caller at the end of `callers`, and every other byte as it is; `null` where the
 * list is not written as a block.
 */
export function spliceCaller(text: string, document: Document, entry: CallerEntry): string | null {
  const callers = document.get("callers", true);
  if (callers === undefined) {
    const before = text === "" || text.endsWith("\n") ? text : `${text}\n`;
    return `${before}callers:\n${block([entry], 2)}`;
  }
  if (!isSeq(callers) || !callers.range) return null;
  if (callers.items.length === 0) {
    const [start, end] = callers.range;
    return spliced(text, [{ start, end, text: `\n${block([entry], 2).trimEnd()}` }]);
  }
  if (callers.flow) return null;
  const column = columnOf(text, callers.range[0]);
  return spliced(text, [insertBehind(text, callers, block([entry], column))]);
}

/**
 * The text with keys of a caller changed, and every other byte as it is; `undefined` removes a key.
 * `null` where the caller is not written as a block.
 */
export function spliceKeys(text: string, caller: YAMLMap, changes: CallerEntry): string | null {
  if (caller.flow || !caller.range) return null;
  const column = columnOf(text, caller.range[0]);
  return spliced(
    text,
    Object.entries(changes).flatMap(([key, value]) => {
      const pair = caller.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (pair) return change(text, pair, { key, value, column });
      return value === undefined
        ? []
        : [insertBehind(text, caller, block({ [key]: value }, column))];
    }),
  );
}

function change(
  text: string,
  { key: name, value: old }: Pair<unknown, unknown>,
  { key, value, column }: {
    readonly key: string;
    readonly value: unknown;
    readonly column: number;
  },
): readonly Splice[] {
  if (!isNode(name) || !name.range || !isNode(old) || !old.range) return [];
  if (isScalar(old) && typeof value === "string") {
    const [start, end] = old.range;
    return [{ start, end, text: stringify(value, { lineWidth: 0 }).trimEnd() }];
  }
  const start = lineStart(text, name.range[0]);
  const end = lineEnd(text, lastOf(old));
  return [{ start, end, text: value === undefined ? "" : block({ [key]: value }, column) }];
}

/** Lines behind the last one of a node. */
function insertBehind(text: string, node: YAMLMap | YAMLSeq, lines: string): Splice {
  const at = lineEnd(text, lastOf(node));
  const isOpen = at > 0 && text[at - 1] !== "\n";
  return { start: at, end: at, text: isOpen ? `\n${lines}` : lines };
}

/** Where the last value of a node ends; a block by itself ends with the comments behind it. */
function lastOf(node: Node): number {
  const own = node.range?.[1] ?? 0;
  if (!(isMap(node) || isSeq(node)) || node.flow) return own;
  const last: unknown = node.items.at(-1);
  const inner = isPair(last) ? last.value ?? last.key : last;
  return isNode(inner) ? lastOf(inner) : own;
}

function block(value: unknown, column: number): string {
  return stringify(value, { lineWidth: 0 }).replaceAll(/^(?=.)/gm, " ".repeat(column));
}

function lineStart(text: string, at: number): number {
  return text.lastIndexOf("\n", at - 1) + 1;
}

/** Behind the newline of a line; the end of the text where it has none. */
function lineEnd(text: string, at: number): number {
  const newline = text.indexOf("\n", at);
  return newline === -1 ? text.length : newline + 1;
}

function columnOf(text: string, at: number): number {
  return at - lineStart(text, at);
}

function spliced(text: string, splices: readonly Splice[]): string {
  return splices.toSorted((one, other) => other.start - one.start)
    .reduce((all, { start, end, text }) => all.slice(0, start) + text + all.slice(end), text);
}
