import { gzipSync } from "node:zlib";
import type { DialectName } from "@/core/dialect_name.ts";
import { echoUpstream } from "@/plugins/echo/mod.ts";
import type { Behaviour, Exchange } from "./upstream_connection.ts";
import { asChunk, responseHead } from "./upstream_http.ts";

export * from "./upstream_samples.ts";

/** How a reply is sent. */
interface ReplyOptions {
  readonly status?: number;
  readonly contentType?: string;
  /** More headers; they win. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes per write; everything at once unless given. */
  readonly chunkBytes?: number;
  /** Pause between writes, ms. */
  readonly pauseMs?: number;
  /** Body framing; `chunked` unless given. `close` has no length and ends the connection. */
  readonly framing?: "chunked" | "length" | "close";
}

const JSON_TYPE = "application/json";
const SSE_TYPE = "text/event-stream; charset=utf-8";

/** Sends the body as it is: a recording, a text, or a value as JSON. */
export function reply(body: Uint8Array | string | object, options: ReplyOptions = {}): Behaviour {
  const bytes = bytesOf(body);
  return async (exchange) => {
    const { framing = "chunked" } = options;
    await exchange.write(head(bytes.length, options));
    for (const piece of pieces(bytes, options.chunkBytes ?? (bytes.length || 1))) {
      if (piece.offset > 0 && options.pauseMs) await exchange.pause(options.pauseMs);
      await exchange.write(framing === "chunked" ? asChunk(piece.bytes) : piece.bytes);
    }
    if (framing === "chunked") await exchange.write("0\r\n\r\n");
    if (framing === "close") exchange.close();
  };
}

/** A stream, sent whole or in the given pieces. */
export function sse(stream: Uint8Array | string, options: ReplyOptions = {}): Behaviour {
  return reply(stream, { contentType: SSE_TYPE, ...options });
}

/** Answers as `builtin:echo` does to the same body, under another model when one is given. */
export function echo(model?: string): Behaviour {
  return async (exchange) => {
    const { path, body } = exchange.request;
    const asked = model === undefined ? body : bytesOf({ ...exchange.request.json(), model });
    const stop = new AbortController();
    const request = { headers: {}, body: asked, signal: stop.signal };
    try {
      const response = await exchange.until(echoUpstream.fetch(`builtin:echo${path}`, request));
      await forward(response, exchange);
    } finally {
      stop.abort();
    }
  };
}

/** Relays a response; one that breaks ends the connection with a reset. */
async function forward(response: Response, exchange: Exchange): Promise<void> {
  const headers = { ...Object.fromEntries(response.headers), "transfer-encoding": "chunked" };
  await exchange.write(responseHead(response.status, headers));
  const reader = response.body?.getReader();
  for (;;) {
    const next = await exchange.until(reader?.read().catch(() => null) ?? Promise.resolve(null));
    if (next === null) return exchange.reset();
    if (next.done) return await exchange.write("0\r\n\r\n");
    await exchange.write(asChunk(next.value));
  }
}

/** 200 without a byte of body. */
export function empty(contentType = JSON_TYPE): Behaviour {
  return reply("", { contentType });
}

/** A page where JSON was expected. */
export function html(status = 200): Behaviour {
  const page = "<!doctype html><title>Scripted</title><h1>Welcome to a login page</h1>";
  return reply(page, { status, contentType: "text/html" });
}

/** Sends the client elsewhere. */
export function redirect(location: string, status = 302): Behaviour {
  return reply("", { status, headers: { location } });
}

/** Compresses the body, whatever the client accepts. */
export function gzip(body: Uint8Array | string | object, options: ReplyOptions = {}): Behaviour {
  const headers = { "content-encoding": "gzip", ...options.headers };
  return reply(new Uint8Array(gzipSync(bytesOf(body))), { ...options, headers });
}

/** A JSON body of about `totalBytes`, made as it is sent. */
export function oversized(totalBytes: number, options: ReplyOptions = {}): Behaviour {
  const block = new TextEncoder().encode("x".repeat(64 * 1024));
  return async ({ write }) => {
    await write(head(0, { ...options, framing: "chunked" }));
    await write(asChunk(bytesOf('{"filler":"')));
    for (let sent = 0; sent < totalBytes; sent += block.length) await write(asChunk(block));
    await write(asChunk(bytesOf('"}')));
    await write("0\r\n\r\n");
  };
}

/** Ends the connection before a single byte of the answer: `reset` is an RST, `close` a FIN. */
export function noAnswer(how: "reset" | "close"): Behaviour {
  return (exchange) => Promise.resolve(exchange[how]());
}

/** Accepts the request and says nothing, not even headers. */
export function hang(): Behaviour {
  return (exchange) => exchange.silence();
}

/** Sends headers and the first part of a body, then breaks or goes silent. Nothing is closed in form. */
export function partial(
  body: Uint8Array | string,
  then: "reset" | "close" | "silence",
  options: ReplyOptions = {},
): Behaviour {
  const bytes = bytesOf(body);
  return async (exchange) => {
    const chunked = { contentType: SSE_TYPE, ...options, framing: "chunked" as const };
    await exchange.write(head(0, chunked));
    if (bytes.length > 0) await exchange.write(asChunk(bytes));
    if (then === "silence") return await exchange.silence();
    exchange[then]();
  };
}

/** Waits before doing the rest; a promise instead of ms lets a test decide when. */
export function after(wait: number | Promise<unknown>, then: Behaviour): Behaviour {
  return async (exchange) => {
    if (typeof wait === "number") await exchange.pause(wait);
    else await exchange.until(wait);
    await then(exchange);
  };
}

/** What an error says. */
interface ErrorOptions extends ReplyOptions {
  /** `retry-after`, as the header's text. */
  readonly retryAfter?: string;
  /** `error.type`, and `error.code` where the dialect has one. */
  readonly code?: string;
  readonly message?: string;
}

/** An error answer in a dialect's own shape. */
export function errorReply(
  dialect: DialectName,
  status: number,
  { retryAfter, ...options }: ErrorOptions = {},
): Behaviour {
  const retry: Record<string, string> = retryAfter === undefined
    ? {}
    : { "retry-after": retryAfter };
  const headers = { ...retry, ...options.headers };
  return reply(errorBody(dialect, options), { ...options, status, headers });
}

/** A stream that starts with `opening` and then reports an error in the dialect's own event. */
export function errorEvent(
  dialect: DialectName,
  opening: string,
  options: ErrorOptions = {},
): Behaviour {
  return sse(opening + errorFrame(dialect, options), options);
}

/** The error event of a dialect, blank line included. */
export function errorFrame(dialect: DialectName, options: ErrorOptions = {}): string {
  const { code, message } = wordsOf(options);
  switch (dialect) {
    case "openai-chat":
      return `data: ${JSON.stringify(errorBody(dialect, options))}\n\n`;
    case "openai-responses": {
      const event = { type: "error", sequence_number: 99, code, message, param: null };
      return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
    }
    case "anthropic":
      return `event: error\ndata: ${JSON.stringify(errorBody(dialect, options))}\n\n`;
  }
}

function errorBody(dialect: DialectName, options: ErrorOptions): object {
  const { code, message } = wordsOf(options);
  return dialect === "anthropic"
    ? { type: "error", error: { type: code, message } }
    : { error: { message, type: code, param: null, code } };
}

function wordsOf({ code = "scripted_error", message = "Scripted error" }: ErrorOptions) {
  return { code, message };
}

function head(length: number, options: ReplyOptions): string {
  const { status = 200, contentType = JSON_TYPE, headers, framing = "chunked" } = options;
  const framed: Readonly<Record<typeof framing, Record<string, string>>> = {
    chunked: { "transfer-encoding": "chunked" },
    length: { "content-length": String(length) },
    close: { "connection": "close" },
  };
  return responseHead(status, { "content-type": contentType, ...framed[framing], ...headers });
}

function* pieces(bytes: Uint8Array<ArrayBuffer>, size: number) {
  for (let offset = 0; offset < bytes.length; offset += size) {
    yield { offset, bytes: bytes.subarray(offset, offset + size) };
  }
}

function bytesOf(body: Uint8Array | string | object): Uint8Array<ArrayBuffer> {
  if (body instanceof Uint8Array) return new Uint8Array(body);
  return new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
}
