import { Buffer, isAscii } from "node:buffer";
import { GatewayError } from "./errors.ts";
import { foldedKey, isObject, type Json, type JsonObject } from "./json.ts";
import { endOfString, endOfToken, parseJson, skipSpace } from "./parse_json.ts";
import type { Member, WireRequest } from "./wire.ts";

/** Deepest nesting a body may have; the top-level object is 1. */
const MAX_DEPTH = 256;
/**
 * Most values a body may have. Small ones take many times their bytes and their time once parsed: 32 MiB
 * of empty lists held the event loop for seconds, and gigabytes.
 */
const MAX_VALUES = 250_000;
/** Most members of an object that is looked into: a table of 250,000 names takes up to seconds to make. */
const MAX_MEMBERS = 1_000;
const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;
const OPEN_BRACE = 123;
const OPEN_BRACKET = 91;

/** Half-open byte range of an array element. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a request body: UTF-8 without a byte order mark, one JSON object, no top-level key twice, not
 * in another case either, at most 1,000 of them, nesting of at most 256, at most 250,000 values. Only what
 * passes is parsed.
 *
 * @throws {GatewayError} `invalid-request`; `details.reason` is `utf-8`, `bom`, `json`, `not-object`,
 * `depth`, `values` or `duplicate-key`. The message never quotes the body.
 *
 * @example Usage
 * ```ts
 * import { readWire } from "@/core/scan.ts";
 *
 * const wire = readWire(new TextEncoder().encode('{"model":"fast","messages":[]}'));
 * const { start, end } = wire.members.get("model")!;
 * if (start !== 9 || end !== 15) throw new Error("Cannot find the model");
 * ```
 */
export function readWire(bytes: Uint8Array<ArrayBuffer>): WireRequest {
  const ascii = asciiText(bytes);
  const json = ascii ?? decodeUtf8(bytes);
  const text = ascii ?? oneByteText(bytes, 0, bytes.length);
  if (text.charCodeAt(skipSpace(text, 0)) !== OPEN_BRACE) throw notObject();
  const walk = newWalk();
  const members = membersIn(text, bytes, 0, walk);
  refuseOtherCase(members);
  const { hasEscapedKey } = walk;
  return new ReadRequest(bytes, members, {
    hasEscapedKey,
    body: objectIn(json, hasEscapedKey),
  });
}

/** Members that say who answers, and how much: of one that goes by another name, no limit would know. */
const LIMITED: ReadonlySet<string> = new Set([
  "model",
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "n",
]);

/**
 * Some providers take a key in any case: `Model` would win over the model that was allowed, and over the
 * one that is put in where there is none, and `Max_Tokens` would pass every limit.
 */
function refuseOtherCase(members: ReadonlyMap<string, Member>): void {
  for (const key of members.keys()) {
    const folded = foldedKey(key);
    if (folded === key) continue;
    if (members.has(folded)) throw repeated(folded);
    if (LIMITED.has(folded)) throw otherCase(folded);
  }
}

class ReadRequest implements WireRequest {
  readonly #hasEscapedKey: boolean;
  #body: JsonObject | null;

  constructor(
    readonly bytes: Uint8Array<ArrayBuffer>,
    readonly members: ReadonlyMap<string, Member>,
    { hasEscapedKey, body }: { readonly hasEscapedKey: boolean; readonly body: JsonObject },
  ) {
    this.#hasEscapedKey = hasEscapedKey;
    this.#body = body;
  }

  get body(): JsonObject {
    return this.#body ??= objectIn(
      asciiText(this.bytes) ?? decodeUtf8(this.bytes),
      this.#hasEscapedKey,
    );
  }

  release(): void {
    this.#body = null;
  }
}

/** `null` where there is more than ASCII in it. */
function asciiText(bytes: Uint8Array): string | null {
  return isAscii(bytes) ? oneByteText(bytes, 0, bytes.length) : null;
}

function objectIn(text: string, hasEscapedKey: boolean): JsonObject {
  const body = parse(text, hasEscapedKey);
  if (isObject(body)) return body;
  throw notObject();
}

function notObject(): GatewayError {
  return invalid("not-object", "Cannot read the body: expected a JSON object");
}

/**
 * Finds the members of a JSON object in bytes that `JSON.parse` has accepted.
 *
 * @param start where the object begins; white space before it is skipped
 * @returns members in wire order by unescaped key, with offsets into `bytes`
 * @throws {GatewayError} `invalid-request` for a repeated key or nesting over 256
 */
export function scanMembers(
  bytes: Uint8Array,
  start: number,
  end: number,
): ReadonlyMap<string, Member> {
  return membersIn(oneByteText(bytes, start, end), bytes, start, newWalk());
}

/**
 * `text` holds the object's bytes, one character each; it begins at `start` of `bytes`. In what is no
 * JSON it finds anything, but it ends.
 */
function membersIn(
  text: string,
  bytes: Uint8Array,
  start: number,
  walk: Walk,
): ReadonlyMap<string, Member> {
  const members = new Map<string, Member>();
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfString(text, at + 1);
    noteKey(walk, text, at, keyEnd);
    const key = readKey(bytes, text, { start: at, end: keyEnd, base: start });
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const valueEnd = skipValue(text, valueStart, walk);
    if (members.has(key)) throw repeated(key);
    if (members.size === MAX_MEMBERS) throw tooMany(MAX_MEMBERS, "members");
    members.set(key, {
      key,
      keyStart: start + at,
      start: start + valueStart,
      end: start + valueEnd,
    });
    at = nextItem(text, valueEnd);
  }
  return members;
}

/** Whether JSON has no more values, and nests no deeper, than a request may: told before it is parsed. */
export function isBounded(bytes: Uint8Array): boolean {
  const text = oneByteText(bytes, 0, bytes.length);
  try {
    skipValue(text, skipSpace(text, 0), newWalk());
    return true;
  } catch (error) {
    if (error instanceof GatewayError) return false;
    throw error;
  }
}

/** Longest number that is read, bytes. */
const MAX_NUMBER_BYTES = 64;

/** The number that a member is, read from its bytes: a body that was released is not parsed for it. */
export function numberIn(
  { bytes, members }: Pick<WireRequest, "bytes" | "members">,
  key: string,
): number | undefined {
  const member = members.get(key);
  if (!member || member.end - member.start > MAX_NUMBER_BYTES) return undefined;
  const number = Number(oneByteText(bytes, member.start, member.end));
  return Number.isFinite(number) ? number : undefined;
}

/**
 * Finds the elements of a JSON array in bytes that `JSON.parse` has accepted.
 *
 * @param start where the array begins; white space before it is skipped
 * @throws {GatewayError} `invalid-request` for nesting over 256
 */
export function scanElements(bytes: Uint8Array, start: number, end: number): readonly Span[] {
  const text = oneByteText(bytes, start, end);
  const spans: Span[] = [];
  const walk = newWalk();
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (at < text.length && text[at] !== "]") {
    const valueEnd = skipValue(text, at, walk);
    spans.push({ start: start + at, end: start + valueEnd });
    at = nextItem(text, valueEnd);
  }
  return spans;
}

/** One character per byte, so that offsets are byte offsets and searches are native. */
function oneByteText(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}

function decodeUtf8(bytes: Uint8Array): string {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw invalid("bom", "Cannot read the body: it begins with a byte order mark");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid("utf-8", "Cannot read the body: it is not UTF-8");
  }
}

function parse(text: string, hasEscapedKey: boolean): Json {
  try {
    return hasEscapedKey ? parseJson(text) : JSON.parse(text);
  } catch {
    throw invalid("json", "Cannot read the body: it is not JSON");
  }
}

function readKey(
  bytes: Uint8Array,
  text: string,
  { start, end, base }: { readonly start: number; readonly end: number; readonly base: number },
): string {
  const raw = text.slice(start + 1, end - 1);
  if (/^[^\\\x80-\xff]*$/.test(raw)) return raw;
  const key = parse(new TextDecoder().decode(bytes.subarray(base + start, base + end)), false);
  return typeof key === "string" ? key : raw;
}

/** What was passed so far. */
interface Walk {
  values: number;
  /** `JSON.parse` alone may read such a key as another one. */
  hasEscapedKey: boolean;
}

function newWalk(): Walk {
  return { values: 0, hasEscapedKey: false };
}

function noteKey(walk: Walk, text: string, open: number, end: number): void {
  for (let at = open; at < end; at++) {
    if (text.charCodeAt(at) === BACKSLASH) walk.hasEscapedKey = true;
  }
}

function skipValue(text: string, start: number, walk: Walk): number {
  if (++walk.values > MAX_VALUES) throw tooMany(MAX_VALUES, "values");
  const first = text.charCodeAt(start);
  const isNested = first === OPEN_BRACE || first === OPEN_BRACKET;
  return isNested ? skipNested(text, start, walk) : endOfToken(text, start);
}

/** A value follows each comma and each opening bracket; an empty object or array counts as one more. */
function skipNested(text: string, start: number, walk: Walk): number {
  let depth = 0;
  for (let at = start; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at + 1);
      if (text.charCodeAt(skipSpace(text, end)) === COLON) noteKey(walk, text, at, end);
      at = end;
      continue;
    }
    at++;
    if (code === COLON) continue;
    if (code === COMMA || code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++walk.values > MAX_VALUES) throw tooMany(MAX_VALUES, "values");
      if (code === COMMA) continue;
      depth++;
    } else if (code === 125 || code === 93) depth--;
    if (depth === 0) return at;
    // The object or array around this value is one level more.
    if (depth >= MAX_DEPTH) {
      throw invalid("depth", `Cannot read the body: it nests deeper than ${MAX_DEPTH}`);
    }
  }
  return text.length;
}

function tooMany(most: number, what: string): GatewayError {
  return invalid("values", `Cannot read the body: it has more than ${most} ${what}`);
}

/** From the end of an item to the start of the next one, or to the closing bracket. */
function nextItem(text: string, end: number): number {
  const at = skipSpace(text, end);
  return text.charCodeAt(at) === COMMA ? skipSpace(text, at + 1) : at;
}

/** The name is told to the caller alone: it may be anything, and messages are kept. */
function repeated(key: string): GatewayError {
  const path = /^[\w.-]{1,64}$/.test(key) ? key : undefined;
  return invalid("duplicate-key", "Cannot read the body: a member is there twice", path);
}

function otherCase(key: string): GatewayError {
  return invalid("duplicate-key", `Cannot read the body: write ${key} in lower case`, key);
}

function invalid(reason: string, message: string, path?: string): GatewayError {
  return new GatewayError("invalid-request", message, { reason, path });
}
