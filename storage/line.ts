import type { CallRecord, Row, SecurityEvent } from "../core/record.ts";
import { MAX_LINE_BYTES } from "./journal_folder.ts";

/** Turns records into lines. The bytes are valid until the next call. */
export interface LineEncoder {
  call(seq: number, record: CallRecord): Uint8Array;
  event(seq: number, table: string, row: SecurityEvent): Uint8Array;
}

const CUT_TEXT = 512;
const CUT_ROWS = 16;

/**
 * Builds an encoder with one buffer of its own. A line past 256 KiB is cut: fewer attempts, shorter
 * texts, and `truncated` is 1.
 */
export function createLineEncoder(): LineEncoder {
  const encoder = new TextEncoder();
  const buffer = new Uint8Array(MAX_LINE_BYTES);

  function encode(text: string): Uint8Array | null {
    const { read, written } = encoder.encodeInto(text, buffer);
    return read === text.length ? buffer.subarray(0, written) : null;
  }

  return {
    call(seq, record) {
      const whole = encode(callLine(seq, record));
      if (whole) return whole;
      return encode(callLine(seq, cut(record))) ?? encode(callLine(seq, bare(record)))!;
    },
    event(seq, table, row) {
      const line = (row: Row) =>
        `{"v":1,"seq":${seq},"table":"${table}","row":{${members(row)}}}\n`;
      return encode(line(row)) ?? encode(line(cutTexts(row)))!;
    },
  };
}

function callLine(seq: number, { usage, attempts, errors }: CallRecord): string {
  return `{"v":1,"seq":${seq},${members(usage)}${child("request_attempts", attempts)}${
    child("request_errors", errors)
  }}\n`;
}

function child(table: string, rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  return `,"${table}":[${rows.map((row) => `{${members(row)}}`).join(",")}]`;
}

/** Nothing in it needs escaping, so that quotes are enough. */
const PLAIN = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/;

/** The members of a row as JSON; by hand, as `JSON.stringify` takes no BigInt without a replacer. */
function members(row: Row): string {
  let text = "";
  for (const name in row) {
    const value = row[name];
    if (value === undefined) continue;
    const comma = text === "" ? '"' : ',"';
    if (typeof value !== "string") text += `${comma}${name}":${value}`;
    else if (PLAIN.test(value)) text += `${comma}${name}":"${value}"`;
    else text += `${comma}${name}":${JSON.stringify(value)}`;
  }
  return text;
}

function cut({ usage, attempts, errors }: CallRecord): CallRecord {
  return {
    usage: { ...usage, ...cutTexts(usage), truncated: 1 },
    attempts: attempts.slice(0, CUT_ROWS).map(cutTexts),
    errors: errors.slice(0, 1).map(cutTexts),
  };
}

function bare({ usage }: CallRecord): CallRecord {
  const { request_id, ts, status } = usage;
  const numbers = Object.entries(usage).filter(([, value]) => typeof value !== "string");
  const kept = { ...Object.fromEntries(numbers), request_id, ts, status, truncated: 1 };
  return { usage: kept, attempts: [], errors: [] };
}

function cutTexts(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === "string" ? value.slice(0, CUT_TEXT).toWellFormed() : value,
    ]),
  );
}
