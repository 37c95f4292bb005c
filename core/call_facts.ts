import type { Call, Parts } from "./call.ts";
import { type Conversation, conversationOf } from "./conversation.ts";
import { type Budget, budgetOf } from "./limits/standing.ts";
import { scopesOf } from "./reserve.ts";
import type { Group } from "./snapshot.ts";

/** The conversation a call belongs to, found when somebody first asks. */
export function conversationIn(
  { conversationSalt }: Parts,
  call: Call,
  { name, affinity }: Group,
): Conversation {
  return call.conversation ??= conversationOf({
    headers: call.headers,
    header: affinity.header,
    body: call.wire?.body ?? {},
    callerId: call.credential.caller.id,
    group: name,
    salt: call.snapshot.server.conversationSalt || conversationSalt,
  });
}

/** How far the limits of a call are used up, as of when somebody first asks. */
export function budgetIn({ ledger }: Parts, call: Call): Budget {
  return call.budget ??= budgetOf(scopesOf(call), ledger.moment());
}
