/**
 * Told of each value when it is read, innermost first; `source` is the text of what is no object or
 * array (https://github.com/tc39/proposal-json-parse-with-source).
 */
export type Reviver = (
  key: string,
  value: unknown,
  context?: { readonly source?: string },
) => unknown;

/** What `JSON.parse` gives, of no type, so that whoever reads it says which. */
type Parsed = ReturnType<JSON["parse"]>;

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
/** Deepest nesting of a text with an escaped key. */
const MAX_DEPTH = 1_000;

/**
 * Parses JSON as `JSON.parse` should. V8 compares the text of an escaped key with keys that it saw at
 * such a place before: after `{"a":1,"\\u006dax_t":1}` it reads `"\u006dax_tokens"` as `\u006dax_t`,
 * which would hide it from every limit (https://github.com/nodejs/node/issues/63785, seen on V8 15.0).
 * A text with such a key is read token by token.
 *
 * @throws {SyntaxError} what is no JSON; and what nests deeper than 1,000, if a key of it is escaped
 * @example Usage
 * ```ts
 * import { parseJson } from "@/core/parse_json.ts";
 *
 * JSON.parse('{"a":1,"\\\\":2}');
 * const value = parseJson('{"a":1,"\\"":2}');
 * if (JSON.stringify(value) !== '{"a":1,"\\"":2}') throw new Error("Cannot read a key");
 * ```
 */
export function parseJson(text: string, revive?: Reviver): Parsed {
  if (!hasEscapedKey(text)) return JSON.parse(text, revive);
  JSON.parse(text);
  return new TokenReader(text, revive).read();
}

/** From within a string to behind its closing quote: one after an even run of backslashes. */
export function endOfString(text: string, from: number): number {
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return text.length;
    let slash = quote - 1;
    while (text.charCodeAt(slash) === BACKSLASH) slash--;
    if ((quote - slash) % 2 === 1) return quote + 1;
    from = quote + 1;
  }
}

/** To the first character that is no white space. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  for (let code = text.charCodeAt(at); code === 32 || (code >= 9 && code <= 13);) {
    code = text.charCodeAt(++at);
  }
  return at;
}

/** To behind the string, the number or the word that begins here. */
export function endOfToken(text: string, start: number): number {
  if (text.charCodeAt(start) === QUOTE) return endOfString(text, start + 1);
  let at = start;
  while (at < text.length && !endsWord(text.charCodeAt(at))) at++;
  return at;
}

/** In what is no JSON it finds anything, but it ends. */
function hasEscapedKey(text: string): boolean {
  for (let at = text.indexOf("\\"); at >= 0; at = text.indexOf("\\", at)) {
    at = skipSpace(text, endOfString(text, at));
    if (text.charCodeAt(at) === COLON) return true;
  }
  return false;
}

/** Reads what `JSON.parse` accepts. */
class TokenReader {
  readonly #text: string;
  readonly #revive: Reviver | undefined;
  #at = 0;
  #depth = 0;

  constructor(text: string, revive: Reviver | undefined) {
    this.#text = text;
    this.#revive = revive;
  }

  read(): Parsed {
    return this.#value("");
  }

  #value(key: string): unknown {
    this.#at = skipSpace(this.#text, this.#at);
    const first = this.#text.charCodeAt(this.#at);
    if (first === OPEN_BRACE) return this.#revived(key, this.#object(), {});
    if (first === OPEN_BRACKET) return this.#revived(key, this.#array(), {});
    const source = this.#token();
    return this.#revived(key, JSON.parse(source), { source });
  }

  #revived(key: string, value: unknown, context: { readonly source?: string }): unknown {
    return this.#revive ? this.#revive(key, value, context) : value;
  }

  #object(): unknown {
    const entries: [string, unknown][] = [];
    this.#items(CLOSE_BRACE, () => {
      const key: string = JSON.parse(this.#token());
      this.#at = skipSpace(this.#text, this.#at) + 1;
      entries.push([key, this.#value(key)]);
    });
    return Object.fromEntries(entries);
  }

  #array(): unknown {
    const values: unknown[] = [];
    this.#items(CLOSE_BRACKET, () => values.push(this.#value(String(values.length))));
    return values;
  }

  /** Calls `read` at each item of what is open here. */
  #items(close: number, read: () => void): void {
    if (++this.#depth > MAX_DEPTH) throw new SyntaxError("Cannot parse JSON that nests so deep");
    const text = this.#text;
    this.#at = skipSpace(text, this.#at + 1);
    while (text.charCodeAt(this.#at) !== close) {
      read();
      this.#at = skipSpace(text, this.#at);
      if (text.charCodeAt(this.#at) === COMMA) this.#at = skipSpace(text, this.#at + 1);
    }
    this.#at++;
    this.#depth--;
  }

  /** The text of a string, a number or a word. */
  #token(): string {
    const start = this.#at;
    this.#at = endOfToken(this.#text, start);
    return this.#text.slice(start, this.#at);
  }
}

function endsWord(code: number): boolean {
  return code <= 32 || code === COMMA || code === CLOSE_BRACKET || code === CLOSE_BRACE;
}
