import { keepPin } from "./pins.ts";
import type { Reply } from "./attempt.ts";
import { replyHeaders } from "./answer.ts";
import { keepReply } from "./cached_reply.ts";
import type { Call, Parts } from "./call.ts";
import type { UnaryReply } from "./read_unary.ts";
import { relayStream } from "./relay_stream.ts";
import { settle } from "./settle.ts";

/** Step 6: gives the reply to the caller. A unary call is settled first. */
export function relay(parts: Parts, call: Call, reply: Reply): Response | Promise<Response> {
  return reply.kind === "stream" ? relayStream(parts, call, reply) : relayUnary(parts, call, reply);
}

function relayUnary(parts: Parts, call: Call, reply: UnaryReply): Response | Promise<Response> {
  const now = parts.clock();
  call.firstByteOutAt = call.firstContentAt = now;
  const { status, facts, contentType, bytes } = reply;
  keepPin(parts, call);
  keepReply(parts, call, reply);
  const durable = settle(parts, call, { status, error: null, partial: false, facts });
  const answer = () =>
    new Response(bytes, { status, headers: replyHeaders(parts, call, contentType) });
  return durable ? durable.then(answer) : answer();
}
