import { type Document, isMap, isSeq, parseDocument, type YAMLMap } from "yaml";

/** A caller as the configuration holds it; keys that are `undefined` are left out. */
export type CallerEntry = Readonly<Record<string, unknown>>;

/** Adds a caller at the end of `callers`. Comments stay. */
export function addCaller(text: string, entry: CallerEntry): string {
  return edit(text, (document) => {
    const callers = document.get("callers");
    if (callers === undefined || callers === null) document.set("callers", document.createNode([]));
    const list = document.get("callers");
    if (!isSeq(list)) throw new Error('Cannot edit the config: "callers" is no list in this file');
    if (list.items.length === 0) list.flow = false;
    list.add(document.createNode(compact(entry)));
  });
}

/** Sets keys of the caller at a position of `callers`; `undefined` removes one. Comments stay. */
export function changeCaller(text: string, index: number, changes: CallerEntry): string {
  return edit(text, (document) => {
    const caller = callerIn(document, index);
    for (const [key, value] of Object.entries(changes)) change(document, caller, key, value);
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

function parse(text: string): Document {
  const document = parseDocument(text, { version: "1.2", schema: "core", stringKeys: true });
  if (document.errors[0]) throw new Error(`Cannot edit the config: ${document.errors[0].message}`);
  return document;
}

/** Reads, changes and writes a document in the indentation it has. */
function edit(text: string, change: (document: Document) => void): string {
  const document = parse(text);
  change(document);
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
