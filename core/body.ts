import { type Deadlines, orLate } from "./deadlines.ts";
import { GatewayError } from "./errors.ts";

/** How much of a body is read, and for how long. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly deadlines: Deadlines;
}

/**
 * Most bytes that are read at once when a length announces them: the platform makes room for all of them
 * when the first one comes, and whoever announces 32 MiB need not send them.
 */
export const MAX_AT_ONCE = 256 * 1024;

/**
 * Reads a request body; limits count decoded bytes.
 *
 * @throws {GatewayError} `request-too-large`, `request-timeout`, `client-closed-request` when the
 * caller leaves, or `invalid-request` for an encoding other than `identity` and `gzip` and for gzip
 * that cannot be read
 */
export async function readBody(
  request: Request,
  limits: BodyLimits,
): Promise<Uint8Array<ArrayBuffer>> {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip") {
    throw new GatewayError(
      "invalid-request",
      "Cannot read the body: content-encoding must be identity or gzip",
      { reason: "content-encoding" },
    );
  }
  const length = Number(request.headers.get("content-length") ?? NaN);
  if (length > limits.maxBytes) throw tooLarge(limits);
  const plain = encoding === "identity" && length <= MAX_AT_ONCE;
  return await beforeDeadline(
    limits,
    request,
    () =>
      plain
        ? request.bytes()
        : readLimited(decoded(request, encoding), limits.maxBytes, () => tooLarge(limits)),
  );
}

function decoded(request: Request, encoding: string): ReadableStream<Uint8Array<ArrayBuffer>> {
  const body = request.body ?? new Blob().stream();
  return encoding === "gzip" ? body.pipeThrough(new DecompressionStream("gzip")) : body;
}

/** A deadline that is over frees the call at once; the connection closes with the answer. */
async function beforeDeadline(
  { timeoutMs, deadlines }: BodyLimits,
  request: Request,
  read: () => Promise<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const late = () => {
    throw tooSlow(timeoutMs);
  };
  try {
    return await orLate(deadlines, read(), { ms: timeoutMs, late });
  } catch (error) {
    if (error instanceof GatewayError || request.signal.aborted) throw error;
    throw isUnreadable(error) ? brokenBody(error) : callerLeft(error);
  }
}

/** A decompressor throws a `TypeError`; anything else is a connection that ended inside the body. */
function isUnreadable(error: unknown): boolean {
  return error instanceof TypeError;
}

function brokenBody(cause: unknown): GatewayError {
  return new GatewayError("invalid-request", "Cannot read the body: it broke off", {
    reason: "body",
  }, { cause });
}

function callerLeft(cause: unknown): GatewayError {
  return new GatewayError("client-closed-request", "Cannot read the body: the caller left", {}, {
    cause,
  });
}

/** Reads a stream to its end; more than `maxBytes` cancels it and throws `tooLarge()`. */
export async function readLimited(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  maxBytes: number,
  tooLarge: () => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  if (chunks.length === 1) return chunks[0]!;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function tooSlow(timeoutMs: number): GatewayError {
  return new GatewayError("request-timeout", "Cannot read the body: it came too slowly", {
    timeout_ms: timeoutMs,
  });
}

function tooLarge({ maxBytes }: BodyLimits): GatewayError {
  return new GatewayError("request-too-large", "Cannot read the body: it is too large", {
    max_bytes: maxBytes,
  });
}
