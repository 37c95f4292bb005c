import type { DialectName } from "@/core/dialect_name.ts";
import type { ErrorType } from "@/core/errors.ts";
import type { UpstreamClass } from "@/core/upstream_error.ts";
import {
  type Behaviour,
  echo,
  empty,
  errorEvent,
  errorReply,
  firstFrames,
  hang,
  html,
  noAnswer,
  oversized,
  partial,
  redirect,
  reply,
  sampleReply,
  sse,
} from "../upstream.ts";
import { upToContent } from "./behaviours.ts";

/** Most bytes of a unary reply, and ms of an attempt and of silence, in the gateway of the matrix. */
export const MAX_REPLY_BYTES = 200_000;
export const ATTEMPT_MS = 250;
export const IDLE_MS = 250;

/** What an upstream does wrong, and what must come of it. */
export interface FaultCase {
  /** Also the model that does it. */
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly class: UpstreamClass;
  readonly error: ErrorType;
  /** Whether the next target is tried. */
  readonly next: boolean;
  /** HTTP status of the upstream, where it sent one. */
  readonly upstreamStatus?: number;
  readonly retryAfter?: string;
  /** Nobody listens: the upstream never sees the call. */
  readonly refused?: true;
  /** `fetch` itself sends it again, once, when a kept connection breaks before any answer. */
  readonly replayed?: true;
  /** It fails after content: no other target, and the stream ends with an error frame. */
  readonly committed?: "ours" | "upstream";
}

const NEXT = { next: true } as const;
const STOP = { next: false } as const;
const NETWORK = { class: "upstream_network", error: "upstream-failed", ...NEXT } as const;
const TIMEOUT = { class: "upstream_timeout", error: "upstream-timeout", ...NEXT } as const;
const BAD = { class: "upstream_bad_response", error: "upstream-failed", ...NEXT } as const;
const OVERLOADED = { class: "upstream_overloaded", error: "upstream-failed", ...NEXT } as const;
const EMPTY = { class: "empty_stream", error: "upstream-failed", ...NEXT } as const;
const DENIED = { class: "upstream_access_denied", error: "upstream-access-denied" } as const;
const NO_KEY = { class: "upstream_auth_failed", error: "upstream-access-denied" } as const;
const NO_MONEY = {
  class: "upstream_quota_exhausted",
  error: "upstream-quota-exhausted",
  ...NEXT,
} as const;
const LIMITED = {
  class: "upstream_rate_limited",
  error: "upstream-rate-limited",
  ...NEXT,
} as const;
const BAD_REQUEST = { class: "upstream_bad_request", error: "upstream-failed", ...STOP } as const;
const TOO_LONG = {
  class: "upstream_context_length",
  error: "context-length-exceeded",
  ...NEXT,
} as const;

/** Faults that look alike, whether a stream was asked for or not. */
function faultsOfBoth(dialect: DialectName): readonly FaultCase[] {
  const status = (code: number, options = {}) => errorReply(dialect, code, options);
  const told = (
    upstreamStatus: number,
    rest: Pick<FaultCase, "class" | "error" | "next">,
    options = {},
  ) => ({
    name: `status-${upstreamStatus}`,
    behaviour: status(upstreamStatus, options),
    upstreamStatus,
    ...rest,
  });
  return [
    { name: "refused", behaviour: hang(), refused: true, ...NETWORK },
    { name: "reset-before-headers", behaviour: noAnswer("reset"), replayed: true, ...NETWORK },
    { name: "closed-before-headers", behaviour: noAnswer("close"), replayed: true, ...NETWORK },
    { name: "silent", behaviour: hang(), ...TIMEOUT },
    { name: "html", behaviour: html(), upstreamStatus: 200, ...BAD },
    { name: "html-error", behaviour: html(502), upstreamStatus: 502, ...OVERLOADED },
    {
      name: "redirect",
      behaviour: redirect("/elsewhere"),
      upstreamStatus: 302,
      ...BAD,
    },
    told(400, BAD_REQUEST),
    told(401, { ...NO_KEY, ...NEXT }),
    told(402, NO_MONEY),
    told(403, { ...DENIED, ...NEXT }),
    told(404, { ...DENIED, ...NEXT }),
    told(408, TIMEOUT),
    { ...told(409, OVERLOADED, { message: "Overloaded, retry later" }), name: "conflict-overload" },
    told(409, { class: "upstream_status", error: "upstream-failed", ...STOP }),
    told(413, { class: "upstream_request_too_large", error: "upstream-failed", ...STOP }),
    told(418, { class: "upstream_status", error: "upstream-failed", ...STOP }),
    told(422, BAD_REQUEST),
    { ...told(429, LIMITED, { retryAfter: "7" }), retryAfter: "7" },
    told(500, OVERLOADED),
    told(503, OVERLOADED),
    told(504, TIMEOUT),
    told(529, OVERLOADED),
    { ...told(400, TOO_LONG, { message: "prompt is too long: 9 > 8" }), name: "context-text" },
    { ...told(400, TOO_LONG, { code: "context_length_exceeded" }), name: "context-code" },
    { ...told(429, NO_MONEY, { code: "insufficient_quota" }), name: "quota-code" },
    { ...told(200, LIMITED, { code: "rate_limit_exceeded" }), name: "limit-in-200" },
    {
      name: "error-page-too-large",
      behaviour: oversized(1_000_000, { status: 500 }),
      upstreamStatus: 500,
      ...OVERLOADED,
    },
    {
      name: "error-cut",
      behaviour: partial('{"error":', "close", { status: 500, contentType: "application/json" }),
      upstreamStatus: 500,
      ...NETWORK,
    },
  ];
}

/** Faults of a reply that is not a stream. */
async function faultsOfUnary(dialect: DialectName): Promise<readonly FaultCase[]> {
  const whole = await sampleReply(dialect);
  const half = whole.slice(0, whole.length >> 1);
  const json = { contentType: "application/json" };
  const at200 = { upstreamStatus: 200 };
  return [
    { name: "empty-reply", behaviour: empty(), ...at200, ...BAD },
    { name: "no-json", behaviour: reply("pong"), ...at200, ...BAD },
    { name: "list", behaviour: reply("[]"), ...at200, ...BAD },
    {
      name: "error-in-200",
      behaviour: errorReply(dialect, 200),
      ...at200,
      ...BAD,
    },
    { name: "reset-after-headers", behaviour: partial("", "reset", json), ...at200, ...NETWORK },
    { name: "reset-mid-body", behaviour: partial(half, "reset", json), ...at200, ...NETWORK },
    { name: "closed-mid-body", behaviour: partial(half, "close", json), ...at200, ...NETWORK },
    { name: "silent-mid-body", behaviour: partial(half, "silence", json), ...at200, ...TIMEOUT },
    { name: "oversized", behaviour: oversized(2 * MAX_REPLY_BYTES), ...at200, ...BAD },
    {
      name: "oversized-beside-a-small-length",
      behaviour: reply(" ".repeat(MAX_REPLY_BYTES) + new TextDecoder().decode(whole), {
        headers: { "content-length": "3" },
      }),
      ...at200,
      ...BAD,
    },
    {
      name: "oversized-and-says-so",
      behaviour: reply(`"${"x".repeat(MAX_REPLY_BYTES)}"`, { framing: "length" }),
      ...at200,
      ...BAD,
    },
  ];
}

/** A stream that ends, and says nothing before. */
const END_ALONE: Readonly<Record<DialectName, string>> = {
  "anthropic": 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  "openai-chat": "data: [DONE]\n\n",
  "openai-responses": 'event: response.completed\ndata: {"type":"response.completed"}\n\n',
};

/** Faults of a stream. */
async function faultsOfStreams(dialect: DialectName): Promise<readonly FaultCase[]> {
  const stream = await sampleReply(dialect, { stream: true });
  const opening = firstFrames(stream, 1);
  const begun = upToContent(stream);
  const half = firstFrames(stream, 0, { half: true });
  const at200 = { upstreamStatus: 200 };
  const ours = { committed: "ours", ...at200 } as const;
  return [
    { name: "empty-stream", behaviour: empty("text/event-stream"), ...at200, ...EMPTY },
    { name: "end-alone", behaviour: sse(END_ALONE[dialect]), ...at200, ...EMPTY },
    { name: "preamble-only", behaviour: sse(opening), ...at200, ...EMPTY },
    { name: "endless-preamble", behaviour: sse(WAITING), ...at200, ...BAD },
    { name: "json-for-stream", behaviour: reply({ a: 1 }), ...at200, ...BAD },
    { name: "reset-after-headers", behaviour: partial("", "reset"), ...at200, ...NETWORK },
    { name: "reset-in-preamble", behaviour: partial(opening, "reset"), ...at200, ...NETWORK },
    { name: "half-frame-silence", behaviour: partial(half, "silence"), ...at200, ...TIMEOUT },
    { name: "half-frame-close", behaviour: partial(half, "close"), ...at200, ...NETWORK },
    { name: "half-frame-end", behaviour: sse(half), ...at200, ...EMPTY },
    {
      name: "error-event-first",
      behaviour: errorEvent(dialect, ""),
      ...at200,
      ...OVERLOADED,
    },
    {
      name: "error-event-in-preamble",
      behaviour: errorEvent(dialect, opening),
      ...at200,
      ...OVERLOADED,
    },
    {
      name: "rate-limit-event",
      behaviour: errorEvent(dialect, opening, { code: "rate_limit_exceeded" }),
      ...at200,
      ...LIMITED,
    },
    {
      name: "error-event-after-content",
      behaviour: errorEvent(dialect, begun),
      committed: "upstream",
      ...at200,
      ...OVERLOADED,
    },
    { name: "reset-after-content", behaviour: partial(begun, "reset"), ...ours, ...NETWORK },
    { name: "closed-after-content", behaviour: partial(begun, "close"), ...ours, ...NETWORK },
    { name: "ended-after-content", behaviour: sse(begun), ...ours, ...NETWORK },
    { name: "silent-after-content", behaviour: partial(begun, "silence"), ...ours, ...TIMEOUT },
    {
      name: "half-frame-after-content",
      behaviour: partial(begun + half, "reset"),
      ...ours,
      ...NETWORK,
    },
  ];
}

/** Says that it goes on for longer than any reply is. */
const WAITING = ": wait\n\n".repeat(MAX_REPLY_BYTES / 4);

/** Every fault of a dialect's replies or streams. */
export async function faultCases(
  dialect: DialectName,
  stream: boolean,
): Promise<readonly FaultCase[]> {
  const own = stream ? await faultsOfStreams(dialect) : await faultsOfUnary(dialect);
  return [...faultsOfBoth(dialect), ...own];
}

/** The model that does it where a healthy target follows: what is known of one helps no other. */
export const followed = (name: string) => `${name}/followed`;

/** What the upstream of the matrix does, by model. */
export function faultScript(cases: readonly FaultCase[]): Readonly<Record<string, Behaviour>> {
  return {
    ...Object.fromEntries(cases.flatMap(({ name, behaviour }) => [
      [name, behaviour],
      [followed(name), behaviour],
    ])),
    healthy: echo("echo"),
  };
}
