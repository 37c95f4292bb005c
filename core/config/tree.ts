import { type Document, type ErrorCode, type Node, parseDocument } from "yaml";
import type { Json, JsonObject } from "../json.ts";
import { type PackedPlaces, Places } from "./places.ts";
import type { ConfigPath } from "./problem.ts";
import { type Flaw, TreeReader } from "./tree_reader.ts";

/** A YAML text as plain values, and where each of them stands. */
export interface ConfigTree {
  readonly value: Json;
  /** A syntax error makes the value meaningless. */
  readonly broken: boolean;
  readonly flaws: readonly Flaw[];
  readonly places: Places;
}

/**
 * Reads one YAML 1.2 document (JSON is YAML). Repeated keys, custom tags and more than 100 alias
 * expansions are flaws; `<<` merges. Values are not interpreted further.
 */
export function readTree(text: string): ConfigTree {
  const source = withoutMark(text);
  const document = parseDocument(source, {
    version: "1.2",
    schema: "core",
    uniqueKeys: false,
    stringKeys: true,
    prettyErrors: false,
    logLevel: "error",
  });
  const places = new Places(source);
  const reader = new TreeReader(document, places);
  const unreadable = document.errors.length > 0;
  const value = unreadable ? null : reader.read(document.contents as Node, []);
  return {
    value,
    broken: unreadable || reader.overflowed,
    flaws: [...syntaxFlaws(document, source), ...reader.flaws],
    places,
  };
}

/** A tree as it goes from thread to thread. */
export type PackedTree = Omit<ConfigTree, "places"> & { readonly places: PackedPlaces };

/** The tree of a text that another thread has read. */
export function unpackTree(text: string, { places, ...tree }: PackedTree): ConfigTree {
  return { ...tree, places: new Places(withoutMark(text), places) };
}

function withoutMark(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

/** The first syntax error, since one causes others, and every tag we do not know. */
function syntaxFlaws({ errors, warnings }: Document, source: string): readonly Flaw[] {
  return [...errors.slice(0, 1), ...warnings].map(({ code, pos: [offset] }) => {
    const unquoted = code === "UNEXPECTED_TOKEN" && source.slice(offset - 1, offset + 1) === "${";
    const reason = unquoted ? "quote ${...} inside { } and [ ]" : REASONS[code];
    const message = `cannot read as YAML: ${reason ?? "the syntax is wrong here"}`;
    return { code: "yaml-syntax", path: "", offset, message };
  });
}

/** Our own words: the library's quote the text, which may be a secret. */
const REASONS: Readonly<Partial<Record<ErrorCode, string>>> = {
  BAD_ALIAS: "not a valid alias",
  BAD_DQ_ESCAPE: "not a valid escape in double quotes",
  BAD_INDENT: "the indentation does not fit what is around it",
  BAD_SCALAR_START: "a text that begins with this character needs quotes",
  BLOCK_AS_IMPLICIT_KEY: "a map cannot begin inside a line; a text with a colon needs quotes",
  MISSING_CHAR: "a closing quote or bracket, a colon, a comma or a blank is missing",
  MULTILINE_IMPLICIT_KEY: "a key must stand in one line, and a colon after it",
  MULTIPLE_DOCS: "the file holds more than one document",
  NON_STRING_KEY: "keys must be plain names",
  TAB_AS_INDENT: "a tab cannot indent",
  TAG_RESOLVE_FAILED: "custom tags are not allowed",
};

/** The value at a path, or `undefined`. */
export function valueAt(root: Json, path: ConfigPath): Json | undefined {
  let value: Json | undefined = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as JsonObject)[step];
  }
  return value;
}
