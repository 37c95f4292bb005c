/** What the schema of a tool of free text in function form allows around its text. */
const HEAD = ["{", '"input"', ":", '"'] as const;
const TAIL = /^[ \t\n\r]*\}?[ \t\n\r]*$/;
/** Longest head that is still waited for, characters: white space may stand between its pieces. */
const MAX_HEAD = 1_024;
const SPECIAL = /["\\]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** Free text as the arguments of a function with the one parameter `input`. */
export function wrapToolInput(input: string): string {
  return JSON.stringify({ input });
}

/**
 * The free text in arguments `{"input":"..."}`. Arguments that were cut inside the text give what is
 * there; arguments of another shape are the text themselves.
 *
 * @example Usage
 * ```ts
 * import { unwrapToolInput } from "@/core/tool_input.ts";
 *
 * if (unwrapToolInput('{"input":"a\\n"}') !== "a\n") throw new Error("Cannot unwrap");
 * if (unwrapToolInput('{"x":1}') !== '{"x":1}') throw new Error("Cannot keep another shape");
 * ```
 */
export function unwrapToolInput(args: string): string {
  const reader = readToolInput();
  const text = reader.push(args) + reader.end();
  return reader.fits() ? text : args;
}

/** Reads `{"input":"..."}` as it arrives. */
export interface ToolInputReader {
  /** Takes the next piece of the arguments; gives what is known of the text and was not given yet. */
  push(piece: string): string;
  /** Called once, after the last piece. */
  end(): string;
  /** Whether the text has ended: what follows it says nothing. */
  closed(): boolean;
  /** Whether all arguments so far had the expected shape, but for an end that is missing. */
  fits(): boolean;
}

/**
 * Unescapes the text in `{"input":"..."}` piece by piece. An escape or a surrogate half waits for its
 * rest. What turns out to have another shape before its text begins is given as it is; what follows
 * the text is left out, since the text has already been given.
 */
export function readToolInput(): ToolInputReader {
  let state: "head" | "text" | "tail" | "other" = "head";
  let held = "";
  let half = "";
  let tail = "";

  function readHead(piece: string): string {
    held += piece;
    const end = matchHead(held);
    if (end === "more") return "";
    const seen = held;
    held = "";
    state = end === "other" ? "other" : "text";
    return end === "other" ? seen : readText(seen.slice(end));
  }

  function readText(piece: string): string {
    const { text, rest, closed } = unescape(held + piece);
    const whole = half + text;
    held = closed ? "" : rest;
    half = "";
    if (closed) {
      state = "tail";
      tail = rest;
      return whole;
    }
    if (!endsInHalf(whole)) return whole;
    half = whole.slice(-1);
    return whole.slice(0, -1);
  }

  return {
    push(piece) {
      if (state === "text") return readText(piece);
      if (state === "head") return readHead(piece);
      if (state === "other") return piece;
      tail += piece;
      return "";
    },
    // An escape that was cut is no text; arguments that never began are given as they are.
    end: () => state === "head" ? held : "",
    closed: () => state === "tail",
    fits: () => state === "tail" ? TAIL.test(tail) : state === "text",
  };
}

/** Where the text begins, whether that is not known yet, or that the shape is another one. */
function matchHead(text: string): number | "more" | "other" {
  let at = 0;
  for (const token of HEAD) {
    while (isSpace(text.charCodeAt(at))) at++;
    const found = text.slice(at, at + token.length);
    if (found !== token) {
      const begun = found.length < token.length && token.startsWith(found);
      return begun && text.length <= MAX_HEAD ? "more" : "other";
    }
    at += token.length;
  }
  return at;
}

/** `rest`: what follows the closing quote, or an escape that is not whole yet. */
function unescape(source: string): { text: string; rest: string; closed: boolean } {
  let text = "";
  let from = 0;
  for (;;) {
    SPECIAL.lastIndex = from;
    const at = SPECIAL.exec(source)?.index ?? -1;
    if (at === -1) return { text: text + source.slice(from), rest: "", closed: false };
    text += source.slice(from, at);
    if (source[at] === '"') return { text, rest: source.slice(at + 1), closed: true };
    const length = source[at + 1] === "u" ? 6 : 2;
    if (at + length > source.length) return { text, rest: source.slice(at), closed: false };
    const escape = source.slice(at, at + length);
    text += length === 6 ? codeUnit(escape) : ESCAPES[escape[1]!] ?? escape;
    from = at + length;
  }
}

/** What no JSON writer writes stays as it is. */
function codeUnit(escape: string): string {
  return /^\\u[0-9a-fA-F]{4}$/.test(escape)
    ? String.fromCharCode(parseInt(escape.slice(2), 16))
    : escape;
}

function isSpace(code: number): boolean {
  return code === 32 || code === 9 || code === 10 || code === 13;
}

function endsInHalf(text: string): boolean {
  const code = text.charCodeAt(text.length - 1);
  return code >= 0xd800 && code <= 0xdbff;
}
