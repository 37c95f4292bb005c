/** Prefixes of reply ids, one for each dialect. */
const KNOWN_PREFIX = /^(?:chatcmpl-|resp_|msg_)/;

/** What the ids of one reply have in common. */
export interface ReplyIds {
  /** The upstream's id without its prefix; without an id, the call's own 32 hex digits. */
  readonly tail: string;
  /** Id of the reply in a dialect. */
  reply(prefix: "chatcmpl-" | "resp_" | "msg_"): string;
  /** Id of an output item; another one than the id of the call that it holds. */
  item(prefix: "msg_" | "rs_" | "fc_" | "ctc_", index: number, callId?: string): string;
  /** Id of a tool call: the upstream's, or one made of its position among the reply's calls. */
  call(id: string, ordinal: number): string;
}

/**
 * Ids of a reply, made from the upstream's.
 *
 * @param upstreamId empty when it sent none
 * @param callId 32 hex digits
 *
 * @example Usage
 * ```ts
 * import { replyIds } from "@/dialects/reply_id.ts";
 *
 * const ids = replyIds("chatcmpl-7", "0".repeat(32));
 * if (ids.reply("msg_") !== "msg_7") throw new Error("Cannot change the prefix");
 * if (ids.item("fc_", 1) !== "fc_7_1") throw new Error("Cannot make an item id");
 * if (ids.call("", 0) !== "call_7_0") throw new Error("Cannot make a call id");
 * ```
 */
export function replyIds(upstreamId: string, callId: string): ReplyIds {
  const tail = upstreamId.replace(KNOWN_PREFIX, "") || callId;
  return {
    tail,
    reply: (prefix) => prefix + tail,
    item(prefix, index, heldId) {
      const id = `${prefix}${tail}_${index}`;
      return id === heldId ? `${id}_` : id;
    },
    call: (id, ordinal) => id === "" ? `call_${tail}_${ordinal}` : id,
  };
}
