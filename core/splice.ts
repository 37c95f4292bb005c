import { Buffer } from "node:buffer";
import type { Span } from "./scan.ts";
import type { Edit, EditAction, Member } from "./wire.ts";

/** What an edit is recorded as. */
export interface EditNote {
  readonly field: string;
  readonly action: EditAction;
}

/**
 * Applies edits to a body. Everything outside their ranges stays byte for byte.
 *
 * @param edits in any order; edits that insert at one place keep their order
 * @throws {RangeError} when edits overlap
 *
 * @example Usage
 * ```ts
 * import { readWire } from "@/core/scan.ts";
 * import { editMembers, splice } from "@/core/splice.ts";
 *
 * const wire = readWire(new TextEncoder().encode('{"model":"fast","stream":true}'));
 * const edit = editMembers(wire.bytes, wire.members);
 * edit.set("model", '"up-1"', "model");
 * edit.set("store", "false", "store");
 * const text = new TextDecoder().decode(splice(wire.bytes, edit.list()));
 * if (text !== '{"model":"up-1","store":false,"stream":true}') throw new Error("Cannot splice");
 * ```
 */
export function splice(
  bytes: Uint8Array<ArrayBuffer>,
  edits: readonly Edit[],
): Uint8Array<ArrayBuffer> {
  if (edits.length === 0) return bytes;
  let size = bytes.length;
  for (const { start, end, text } of edits) size += start - end + Buffer.byteLength(text);
  const out = new Uint8Array(size);
  let from = 0;
  let to = 0;
  for (const { start, end, text, field } of inOrder(edits)) {
    if (start < from) throw new RangeError(`Cannot edit ${field}: it overlaps another edit`);
    out.set(bytes.subarray(from, start), to);
    to += start - from;
    if (text !== "") to += encoder.encodeInto(text, out.subarray(to)).written;
    from = end;
  }
  out.set(bytes.subarray(from), to);
  return out;
}

const encoder = new TextEncoder();

/** Collects edits of the members of one object. A key is edited at most once. */
export interface MemberEditor {
  /**
   * Replaces the value of a member, or adds the member. `action` defaults to what happened; a member
   * that has the value already stays, so that a body without other edits is not copied.
   */
  set(key: string, text: string, field: string, action?: EditAction): void;
  /** Gives a member another key; its value stays. */
  rename(key: string, to: string, field: string): void;
  /** Removes a member with one adjoining comma; does nothing when it is absent. */
  remove(key: string, field: string): void;
  /** The edits so far, in byte order. */
  list(): readonly Edit[];
}

/**
 * Edits members of an object of the body. A member is added right after `model`; in an object
 * without `model`, after the opening brace.
 *
 * @param members what `scanMembers` found
 * @param open first byte of the object; needed only for a nested one
 */
export function editMembers(
  bytes: Uint8Array,
  members: ReadonlyMap<string, Member>,
  open = bytes.indexOf(123),
): MemberEditor {
  const edits: Edit[] = [];
  const added: (EditNote & { readonly text: string })[] = [];
  const removed = new Map<string, EditNote>();
  return {
    set(key, text, field, action) {
      const member = members.get(key);
      if (!member) added.push({ text: `${JSON.stringify(key)}:${text}`, field, action: "added" });
      else if (!holds(bytes, member, text)) {
        edits.push({
          start: member.start,
          end: member.end,
          text,
          field,
          action: action ?? "rewritten",
        });
      }
    },
    rename(key, to, field) {
      const member = members.get(key);
      if (!member) return;
      const end = bytes.lastIndexOf(34, bytes.lastIndexOf(58, member.start - 1)) + 1;
      edits.push({
        start: member.keyStart,
        end,
        text: JSON.stringify(to),
        field,
        action: "rewritten",
      });
    },
    remove(key, field) {
      if (members.has(key)) removed.set(key, { field, action: "stripped" });
    },
    list() {
      const spans = [...members.values()].map(({ keyStart, end }) => ({ start: keyStart, end }));
      const notes = [...members.keys()].map((key) => removed.get(key));
      const after = members.get("model")?.end;
      const bare = removed.size === members.size;
      const insert = after === undefined
        ? insertFirst(added, open + 1, bare)
        : insertAt(added, after);
      return inOrder([...insert, ...edits, ...removeItems(bytes, spans, notes)]);
    },
  };
}

/** Whether these bytes are a text. Only ASCII is compared: any other text is none of theirs. */
function holds(bytes: Uint8Array, { start, end }: Span, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 127 || bytes[start + at] !== code) return false;
  }
  return true;
}

/**
 * Removes elements of an array, or members of an object, each with exactly one adjoining comma.
 *
 * @param spans all items in wire order
 * @param notes for each item how its removal is recorded; `undefined` keeps it
 */
export function removeItems(
  bytes: Uint8Array,
  spans: readonly Span[],
  notes: readonly (EditNote | undefined)[],
): Edit[] {
  const lastKept = notes.findLastIndex((note) => note === undefined);
  const comma = (index: number) => bytes.indexOf(44, spans[index]!.end);
  return spans.flatMap(({ start, end }, index) => {
    const note = notes[index];
    if (!note) return [];
    if (index < lastKept) return [{ start, end: comma(index) + 1, text: "", ...note }];
    return [{ start: index === 0 ? start : comma(index - 1), end, text: "", ...note }];
  });
}

function insertAt(added: readonly (EditNote & { text: string })[], at: number): Edit[] {
  return added.map((item) => ({ ...item, start: at, end: at, text: `,${item.text}` }));
}

/** `bare`: nothing else stays in the object, so the last one takes no comma. */
function insertFirst(
  added: readonly (EditNote & { text: string })[],
  at: number,
  bare: boolean,
): Edit[] {
  return added.map((item, index) => {
    const comma = bare && index === added.length - 1 ? "" : ",";
    return { ...item, start: at, end: at, text: `${item.text}${comma}` };
  });
}

/** By start; what is inserted at a place stands before what begins there. */
function inOrder(edits: readonly Edit[]): readonly Edit[] {
  if (edits.length < 2) return edits;
  return edits.toSorted((a, b) => a.start - b.start || a.end - b.end);
}
