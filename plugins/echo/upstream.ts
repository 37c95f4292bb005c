import { createHash } from "node:crypto";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { parseJson } from "@/core/parse_json.ts";
import type { BuiltinUpstream, UpstreamRequest } from "@/core/upstream.ts";
import type { SseFrame } from "@/core/wire.ts";
import { anthropicMessages } from "./anthropic_messages.ts";
import type { Ask } from "./ask.ts";
import { bodyOf, bytesOf, type Delivery, halfOf } from "./body.ts";
import { openaiChat } from "./openai_chat.ts";
import { openaiResponses } from "./openai_responses.ts";
import { type Reply, scriptReply } from "./reply.ts";
import { parseModel, type Script } from "./script.ts";
import { type Fault, statusOf, type WireFormat } from "./wire_format.ts";
import type { EchoWorld } from "./world.ts";

/** The wire formats the echo speaks, by the end of their path. */
export const WIRE_FORMATS: readonly WireFormat[] = [
  anthropicMessages,
  openaiChat,
  openaiResponses,
];

const CONTEXT_TOKENS = 128_000;
const LONGEST_MS = 60_000;

/** A call that was understood. */
interface EchoCall {
  readonly wire: WireFormat;
  readonly body: JsonObject;
  readonly ask: Ask;
  readonly script: Script;
  /** 32 hex digits of the request's digest: the same request gets the same ids. */
  readonly seed: string;
  readonly delivery: Delivery;
}

/** Builds what answers calls of `builtin:echo`. */
export function createAnswer(world: EchoWorld): BuiltinUpstream["fetch"] {
  return async (url, request) => {
    request.signal.throwIfAborted();
    const call = understand(url, request, world);
    return call instanceof Response ? call : await play(call, world);
  };
}

/** The call, or the answer to one that makes no sense. */
function understand(url: string, request: UpstreamRequest, world: EchoWorld): EchoCall | Response {
  const path = url.split("?", 1)[0]!;
  const seed = createHash("sha256").update(request.body).digest("hex").slice(0, 32);
  const wire = WIRE_FORMATS.find((wire) => path.endsWith(wire.path));
  if (!wire) return refuse(openaiChat, seed, fault(404, `Cannot find the path of this request`));
  const body = parseBody(request.body);
  if (!body) return refuse(wire, seed, fault(400, "Cannot read the body: expected a JSON object"));
  const ask = wire.read(body);
  const script = parseModel(ask.model);
  if (!script) {
    return refuse(wire, seed, fault(404, `Cannot find model ${JSON.stringify(ask.model)}`));
  }
  const delivery = {
    world,
    signal: request.signal,
    dripMs: script.type === "drip" ? script.ms : 0,
    breaks: script.type === "drop_mid_stream",
  };
  return { wire, body, ask, script, seed, delivery };
}

async function play(call: EchoCall, { now, wait }: EchoWorld): Promise<Response> {
  const { wire, ask, script, seed, delivery } = call;
  if (script.type === "slow") await wait(script.ms, delivery.signal);
  while (script.type === "hang") await wait(LONGEST_MS, delivery.signal);
  const created = Math.floor(now() / 1000);
  const reply = scriptReply(ask, { script, seed, created });
  if (script.type === "error") {
    return refuse(wire, seed, fault(script.status, `Scripted error ${script.status}`));
  }
  if (script.type === "error_context") return refuse(wire, seed, tooLong(reply));
  return ask.stream ? stream(call, reply) : unary(call, reply);
}

function unary({ wire, body, script, seed, delivery }: EchoCall, reply: Reply): Response {
  const headers = headersOf("application/json", seed);
  if (script.type === "empty_stream") return new Response("", { headers });
  if (script.type === "error_in_stream") return refuse(wire, seed, SCRIPTED);
  const whole = script.type === "drop_mid_stream" ? { ...reply, finish: "stop" as const } : reply;
  const text = JSON.stringify(wire.write(whole, body));
  if (script.type !== "drop_mid_stream") return new Response(text, { headers });
  return new Response(bodyOf([halfOf(text)], delivery), { headers });
}

function stream(call: EchoCall, reply: Reply): Response {
  const headers = headersOf("text/event-stream; charset=utf-8", call.seed);
  headers.set("cache-control", "no-cache");
  return new Response(bodyOf(bytesOf(framesOf(call, reply)), call.delivery), { headers });
}

function* framesOf({ wire, body, script, seed }: EchoCall, reply: Reply): Iterable<SseFrame> {
  if (script.type === "empty_stream") return;
  let position = 0;
  for (const frame of wire.stream(reply, body)) {
    yield frame;
    position += 1;
  }
  if (script.type === "error_in_stream") yield wire.errorFrame(SCRIPTED, requestId(seed), position);
}

const SCRIPTED = fault(500, "Scripted error in the stream");

function fault(status: number, message: string): Fault {
  return { type: "status", status, message };
}

function tooLong(reply: Reply): Fault {
  const inputTokens = CONTEXT_TOKENS + (reply.usage?.input ?? 1);
  return { type: "context", inputTokens, contextTokens: CONTEXT_TOKENS };
}

function refuse(wire: WireFormat, seed: string, fault: Fault): Response {
  const status = statusOf(fault);
  const headers = headersOf("application/json", seed);
  if (status === 429) headers.set("retry-after", "1");
  return new Response(JSON.stringify(wire.writeError(fault, requestId(seed))), { status, headers });
}

function headersOf(contentType: string, seed: string): Headers {
  const id = requestId(seed);
  return new Headers({ "content-type": contentType, "request-id": id, "x-request-id": id });
}

function requestId(seed: string): string {
  return `req_${seed}`;
}

function parseBody(bytes: Uint8Array): JsonObject | null {
  try {
    const value: Json = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
