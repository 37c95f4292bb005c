import { type Call, cutCall, cutError, type Parts } from "./call.ts";
import { type ListenAddress, listenText } from "./config/listen.ts";
import { createHandler } from "./http.ts";
import type { Plugin } from "./plugin.ts";
import { settle } from "./settle.ts";
import { messageOf } from "./thrown.ts";
import { within } from "./wait.ts";

/** Time for calls that were cut to write their last frame, ms. */
const CUT_MS = 1_000;

/** A listening gateway. */
export interface Server {
  /** `http://host:port` to reach it. */
  readonly url: string;
  /**
   * Stops: no new calls; those in flight may finish within the grace, then they are cut and settled.
   * A second call skips the grace.
   */
  drain(graceMs: number): Promise<void>;
}

/**
 * Listens for calls.
 *
 * @throws {Error} with the address and the system's reason, when the port is taken
 */
export function startServer(
  parts: Parts,
  { listen, plugins, reusePort }: {
    readonly listen: ListenAddress;
    readonly plugins: readonly Plugin[];
    /** Whether other processes listen there, too. */
    readonly reusePort: boolean;
  },
): Server {
  const { drain } = parts;
  const handle = createHandler(parts, plugins);
  const server = listening(listen, () =>
    Deno.serve({
      ...listen,
      reusePort,
      onListen: () => {},
      onError: () => new Response(null, { status: 500 }),
    }, (request, info) => handle(request, peerOf(info.remoteAddr))));
  const { hostname, port } = server.addr;
  let hurry = () => {};
  return {
    url: `http://${listenText({ hostname, port })}`,
    async drain(graceMs) {
      if (drain.draining) return hurry();
      drain.draining = true;
      parts.log.write("info", "drain_started", "Gateway is draining", { calls: parts.live.size });
      const stopped = server.shutdown();
      await firstOf(stopped, graceMs, (skip) => hurry = skip);
      for (const call of parts.live.all()) cutCall(call, "shutting-down");
      await firstOf(stopped, CUT_MS, (skip) => hurry = skip);
      for (const call of parts.live.all()) settleUnfinished(parts, call);
      parts.log.write("info", "drain_finished", "Gateway is drained", { calls: parts.live.size });
    },
  };
}

/** An address that several processes are about to share. */
export interface HeldAddress extends Disposable {
  readonly address: ListenAddress;
}

/**
 * Makes sure that nobody listens at an address yet, which processes that share it could not tell. A port
 * that the system chose is nobody else's until this is let go, when they listen there.
 *
 * @throws {Error} with the address and the system's reason
 */
export function holdAddress(address: ListenAddress): HeldAddress {
  const chosen = address.port === 0;
  const held = listening(address, () => Deno.listen({ ...address, reusePort: chosen }));
  const { port } = held.addr;
  // Whoever knows the port already would have its connections taken and never served.
  if (!chosen) held.close();
  return {
    address: { ...address, port },
    [Symbol.dispose]() {
      if (chosen) held.close();
    },
  };
}

function listening<Listener>(
  { hostname, port }: ListenAddress,
  serve: () => Listener,
): Listener {
  try {
    return serve();
  } catch (error) {
    const reason = messageOf(error);
    const message =
      `Cannot listen on ${hostname}:${port}: ${reason}; server.listen names the address`;
    throw new Error(message, { cause: error });
  }
}

/** A call that could not even be cut (its body is still on the way) leaves its record all the same. */
function settleUnfinished(parts: Parts, call: Call): void {
  const error = cutError("shutting-down");
  settle(parts, call, { status: error.status, error, partial: false, facts: null });
}

function peerOf(address: Deno.Addr): string {
  return "hostname" in address ? address.hostname : "";
}

/** Ends with the promise, after `ms`, or when `skip` is called. */
async function firstOf(
  promise: Promise<void>,
  ms: number,
  offer: (skip: () => void) => void,
): Promise<void> {
  const skipped = Promise.withResolvers<void>();
  offer(skipped.resolve);
  await within(Promise.race([promise, skipped.promise]), ms);
}
