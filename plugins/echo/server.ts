import type { ListenAddress } from "@/core/config/listen.ts";
import type { BuiltinUpstream } from "@/core/upstream.ts";
import { WIRE_FORMATS } from "./upstream.ts";

/** A served echo. */
export interface EchoServer {
  /** Where it listens, without a trailing slash. */
  readonly url: string;
  /** Ends it at once; calls in flight are cut. */
  stop(): Promise<void>;
}

/** Serves a built-in upstream on a socket, under any path that ends like a call of a wire format. */
export function serveEcho(upstream: BuiltinUpstream, address: ListenAddress): EchoServer {
  const stopper = new AbortController();
  const server = Deno.serve(
    { ...address, signal: stopper.signal, onListen: () => {} },
    (request) => answer(upstream, request),
  );
  const { hostname, port } = server.addr;
  return {
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`,
    async stop() {
      stopper.abort();
      await server.finished;
    },
  };
}

async function answer(upstream: BuiltinUpstream, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const wire = WIRE_FORMATS.find((wire) => pathname.endsWith(wire.path));
  if (!wire) return refused(404, "Cannot find the path of this request");
  if (request.method !== "POST") return refused(405, "Cannot answer: the method must be POST");
  const { headers, signal } = request;
  try {
    const body = new Uint8Array(await request.arrayBuffer());
    return await upstream.fetch(`builtin:${upstream.name}${wire.path}`, {
      headers: Object.fromEntries(headers),
      body,
      signal,
    });
  } catch (error) {
    // Nobody is left to read the answer of a call that was abandoned.
    if (signal.aborted) return new Response(null, { status: 499 });
    throw error;
  }
}

function refused(status: number, message: string): Response {
  const headers: Record<string, string> = status === 405 ? { allow: "POST" } : {};
  return Response.json({ error: { message } }, { status, headers });
}
