import type { Socket } from "node:net";
import { byteQueue, type RawRequest, readRequest } from "./upstream_http.ts";

/** A request the upstream received, and what became of it. */
export interface SeenRequest extends RawRequest {
  /** Ordinal of the TCP connection it came on, from 1. */
  readonly connection: number;
  /** `performance.now()` when its last byte was in. */
  readonly receivedAt: number;
  /** Whether the client left before the answer was complete. */
  readonly aborted: boolean;
  /** `performance.now()` when the client was seen to leave; `null` while it has not. */
  readonly abortedAt: number | null;
  /** Settles when the answer was sent, was broken off on purpose, or lost its client. */
  readonly ended: Promise<Ending>;
  /** The body as JSON. */
  json(): Record<string, unknown>;
}

/** How the answer to a request ended. */
export type Ending = "sent" | "broken" | "aborted";

/** A behaviour's hold on the connection. Each method rejects once the client is gone. */
export interface Exchange {
  readonly request: SeenRequest;
  /** Sends bytes exactly as they are; resolves when the socket takes more. */
  write(bytes: string | Uint8Array): Promise<void>;
  /** Resolves after `ms`. */
  pause(ms: number): Promise<void>;
  /** Never resolves: the connection stays open and says nothing. */
  silence(): Promise<never>;
  /** Resolves with `promise`. */
  until<Value>(promise: Promise<Value>): Promise<Value>;
  /** Ends the connection properly (FIN). */
  close(): void;
  /** Ends the connection with a reset (RST). */
  reset(): void;
}

/** Answers a request; the connection is kept for the next one unless the behaviour ended it. */
export type Behaviour = (exchange: Exchange) => Promise<void>;

/** What a connection reports to and asks of its upstream. */
interface ConnectionOptions {
  readonly ordinal: number;
  seen(request: SeenRequest): void;
  behaviourFor(request: SeenRequest): Behaviour;
}

class ClientGone extends Error {
  override readonly name = "ClientGone";
}

/** Serves one connection until either side ends it. */
export async function serveConnection(socket: Socket, options: ConnectionOptions): Promise<void> {
  const input = byteQueue();
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
  const leave = () => {
    input.end();
    gone.reject(new ClientGone("Cannot go on: the client is gone"));
  };
  socket.setNoDelay(true);
  socket.on("data", (bytes: Uint8Array) => input.push(bytes));
  for (const event of ["end", "error", "close"]) socket.on(event, leave);
  for (;;) {
    const raw = await readRequest(input);
    if (raw === null) return void socket.destroy();
    const open = await answer({ raw, socket, gone: gone.promise, options });
    if (!open) return;
  }
}

interface Answering {
  readonly raw: RawRequest;
  readonly socket: Socket;
  readonly gone: Promise<never>;
  readonly options: ConnectionOptions;
}

/** Runs the behaviour; whether the connection is still open after it. */
async function answer({ raw, socket, gone, options }: Answering): Promise<boolean> {
  const { request, abort, end } = record(raw, options.ordinal);
  options.seen(request);
  let broken = false;
  const finish = (how: () => void) => () => {
    broken = true;
    how();
  };
  const exchange = exchangeOf(request, socket, gone);
  try {
    await options.behaviourFor(request)({
      ...exchange,
      close: finish(() => socket.end()),
      reset: finish(() => socket.resetAndDestroy()),
    });
    end(broken ? "broken" : "sent");
  } catch (error) {
    if (!(error instanceof ClientGone)) throw error;
    if (!broken) abort();
    end(broken ? "broken" : "aborted");
    socket.destroy();
    return false;
  }
  return !broken;
}

function exchangeOf(
  request: SeenRequest,
  socket: Socket,
  gone: Promise<never>,
): Omit<Exchange, "close" | "reset"> {
  const until = <Value>(promise: Promise<Value>) => Promise.race([promise, gone]);
  return {
    request,
    until,
    silence: () => gone,
    async pause(ms) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      await until(promise).finally(() => clearTimeout(timer));
    },
    async write(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      // A failed write is told by the socket's own `error` and `close`.
      socket.write(bytes, (error) => error ? undefined : resolve());
      await until(promise);
    },
  };
}

function record(raw: RawRequest, connection: number) {
  const ended = Promise.withResolvers<Ending>();
  let abortedAt: number | null = null;
  const request: SeenRequest = {
    ...raw,
    connection,
    receivedAt: performance.now(),
    ended: ended.promise,
    get abortedAt() {
      return abortedAt;
    },
    get aborted() {
      return abortedAt !== null;
    },
    json: () => JSON.parse(new TextDecoder().decode(raw.body)),
  };
  return { request, end: ended.resolve, abort: () => void (abortedAt = performance.now()) };
}
