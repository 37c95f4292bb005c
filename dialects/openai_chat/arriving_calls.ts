import type { PartOf, Proof, ToolForm } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { parseJson } from "@/core/parse_json.ts";
import { callProof } from "../proofs.ts";
import { readReplyCall } from "./decode_response.ts";

/** A call of a stream, as far as it has arrived. */
export interface ArrivingCall {
  /** Empty while none has come. */
  id: string;
  /** Empty while it is not known. */
  name: string;
  form: ToolForm;
  /** Its arguments so far. */
  input: string;
  /** What the provider attached to it. */
  proof: Proof | null;
}

/** A call, and what a fragment adds to its arguments. */
export interface Arrival {
  readonly call: ArrivingCall;
  readonly text: string;
}

/**
 * The calls of one choice of a stream. Fragments are keyed by index, else by id; one without either
 * belongs to the call that came last, unless it begins another.
 */
export class ArrivingCalls {
  /** In order of start. */
  readonly list: ArrivingCall[] = [];
  readonly #byKey = new Map<Json, ArrivingCall>();
  #last: ArrivingCall | null = null;

  /** Takes a fragment; `place`: where it stands among those of its delta. */
  add(fragment: JsonObject, place: number): Arrival {
    const arrived = readReplyCall(fragment);
    const call = this.#callOf(fragment, arrived, place);
    const text = newText(arrived.input, call);
    call.proof ??= callProof(fragment);
    if (call.name === "") {
      if (arrived.id !== "") call.id = arrived.id;
      call.form = arrived.form;
      call.name = arrived.name;
    }
    call.input += text;
    return { call, text };
  }

  /**
   * Takes a call of a whole message, which says again what arrived of it, or more; `place`: where it
   * stands among those of its message.
   *
   * @returns `null` when it says something else
   */
  addWhole(whole: JsonObject, place: number): Arrival | null {
    const call = this.list[place];
    if (!call) return this.add({ ...whole, index: place }, place);
    const { input } = readReplyCall(whole);
    if (input === "") return { call, text: "" };
    if (!input.startsWith(call.input)) return null;
    const text = input.slice(call.input.length);
    call.input = input;
    return { call, text };
  }

  #callOf(fragment: JsonObject, arrived: PartOf<"tool_call">, place: number): ArrivingCall {
    const { id, name, form } = arrived;
    const key = fragment["index"] ?? (id === "" ? null : id);
    const known = key === null ? this.#last : this.#byKey.get(key) ?? null;
    // Two calls that stand in one delta without any key are two.
    const apart = key === null && place > 0 && name !== "";
    if (known && !apart && !beginsAnother(arrived, known)) return this.#last = known;
    const call: ArrivingCall = { id, name: "", form, input: "", proof: null };
    this.list.push(call);
    if (key !== null) this.#byKey.set(key, call);
    return this.#last = call;
  }
}

/**
 * Whether a fragment that would belong to a call begins another one: it has a name, and another id.
 * Where ids are missing, it has another name, or arguments after an object that is whole.
 */
function beginsAnother({ id, name, input }: PartOf<"tool_call">, known: ArrivingCall): boolean {
  if (name === "") return false;
  if (id !== "" && known.id !== "") return id !== known.id;
  if (known.name === "") return false;
  return name !== known.name || (input !== "" && isWholeObject(known.input));
}

/**
 * What a fragment adds to the arguments of its call. Some providers say again what they said, all of
 * it at the end or with each fragment: then it is what goes beyond that.
 */
function newText(input: string, { form, input: known }: ArrivingCall): string {
  if (known === "" || form !== "function" || !input.startsWith(known)) return input;
  if (isWholeObject(known)) return "";
  return saysObjectAgain(known) ? input.slice(known.length) : input;
}

/**
 * Whether a fragment that begins with all the arguments so far, which are not whole, must be saying
 * them again: where a value may stand, an object in the object can begin in the same way.
 */
function saysObjectAgain(known: string): boolean {
  if (!known.startsWith("{")) return false;
  const outside = known.replace(/"(?:[^"\\]|\\.)*"/gs, "");
  return outside.includes('"') || !/[:,[]\s*$/.test(outside);
}

function isWholeObject(text: string): boolean {
  try {
    return isObject(parseJson(text));
  } catch {
    return false;
  }
}
