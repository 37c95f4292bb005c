import { isDeepStrictEqual } from "node:util";
import { type Document, isMap, isSeq, parseDocument, type YAMLMap } from "yaml";
import { type CallerEntry, spliceCaller, spliceKeys } from "./splice_callers.ts";

/** Adds a caller at the end of `callers`. */
export function addCaller(text: string, entry: CallerEntry): string {
  const stated = compact(entry);
  return edit(text, {
    splice: (document) => spliceCaller(text, document, stated),
    change(document) {
      const callers = document.get("callers");
      if (callers === undefined || callers === null) {
        document.set("callers", document.createNode([]));
      }
      const list = document.get("callers");
      if (!isSeq(list)) {
        throw new Error('Cannot edit the config: "callers" is no list in this file');
      }
      if (list.items.length === 0) list.flow = false;
      list.add(document.createNode(stated));
    },
  });
}

/** Sets keys of the caller at a position of `callers`; `undefined` removes one. */
export function changeCaller(text: string, index: number, changes: CallerEntry): string {
  return edit(text, {
    splice: (document) => spliceKeys(text, callerIn(document, index), changes),
    change(document) {
      const caller = callerIn(document, index);
      for (const [key, value] of Object.entries(changes)) change(document, caller, key, value);
    },
  });
}

/** The caller at a position of `callers`, with the keys and values that the text has. */
export function callerAt(text: string, index: number): CallerEntry {
  const document = parse(text);
  return callerIn(document, index).toJS(document);
}

function callerIn(document: Document, index: number): YAMLMap {
  const caller = document.getIn(["callers", index], true);
  if (isMap(caller)) return caller;
  throw new Error(`Cannot edit the config: callers[${index}] is no map in this file`);
}

function change(document: Document, caller: YAMLMap, key: string, value: unknown): void {
  if (value === undefined) caller.delete(key);
  else if (typeof value === "object") caller.set(key, document.createNode(value));
  else caller.set(key, value);
}

function read(text: string): Document {
  return parseDocument(text, { version: "1.2", schema: "core", stringKeys: true });
}

function parse(text: string): Document {
  const document = read(text);
  if (document.errors[0]) throw new Error(`Cannot edit the config: ${document.errors[0].message}`);
  return document;
}

/** Two ways of the same edit. */
interface Edit {
  /** In the text, which keeps how everything else is written; `null`: it cannot be done so. */
  splice(document: Document): string | null;
  /** In the document, which is then written anew: comments stay, blanks and line breaks may not. */
  change(document: Document): void;
}

/** Edits the text where that says the same as to write the document anew. */
function edit(text: string, { splice, change }: Edit): string {
  const document = parse(text);
  const spliced = splice(document);
  change(document);
  return spliced !== null && saysAs(spliced, document) ? spliced : written(document, text);
}

function saysAs(text: string, document: Document): boolean {
  const other = read(text);
  return other.errors.length === 0 && isDeepStrictEqual(other.toJS(), document.toJS());
}

/** A document in the indentation that it had. */
function written(document: Document, text: string): string {
  return document.toString({
    lineWidth: 0,
    indent: /\n( {2,8})\S/.exec(text)?.[1]?.length ?? 2,
    indentSeq: !/^[A-Za-z_]+:[^\n]*\n(#[^\n]*\n)*- /m.test(text),
  });
}

/** A caller as YAML to paste under `callers`. */
export function callerYaml(entry: CallerEntry): string {
  const document = parseDocument("callers: []");
  document.set("callers", document.createNode([entry]));
  return document.toString({ lineWidth: 0 }).trimEnd();
}

function compact(entry: CallerEntry): CallerEntry {
  return Object.fromEntries(Object.entries(entry).filter(([_, value]) => value !== undefined));
}
