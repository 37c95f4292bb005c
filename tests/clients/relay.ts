import { createServer, type Socket } from "node:net";
import { once } from "node:events";

/** An exchange between a client and the gateway, as bytes. */
export interface Passed {
  readonly method: string;
  /** With the query string. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string;
  readonly request: string;
  readonly response: string;
}

/** Stands between a client and the gateway and writes down what passes. */
export interface Relay extends AsyncDisposable {
  readonly url: string;
  readonly passed: readonly Passed[];
}

/** Starts a relay to `target`, a URL without a path. */
export function startRelay(target: string): Relay {
  const passed: Passed[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      const { method } = request;
      const body = method === "POST" ? await request.text() : null;
      const path = pathname + search;
      const response = await fetch(target + path, { method, headers: request.headers, body });
      let text = "";
      const decoder = new TextDecoder();
      const watched = response.body?.pipeThrough(
        new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
          transform(chunk, controller) {
            text += decoder.decode(chunk, { stream: true });
            controller.enqueue(chunk);
          },
        }),
      );
      passed.push({
        method,
        path,
        status: response.status,
        contentType: response.headers.get("content-type") ?? "",
        request: body ?? "",
        get response() {
          return text;
        },
      });
      return new Response(watched ?? null, response);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    passed,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A proxy that lets nothing through and tells who was called. */
interface Trap extends AsyncDisposable {
  readonly url: string;
  /** First lines of the requests it refused. */
  readonly caught: readonly string[];
}

/** Starts a proxy on which all traffic that is not for this machine ends at once. */
export async function startTrap(): Promise<Trap> {
  const caught: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.once("data", (bytes: Uint8Array) => {
      caught.push(new TextDecoder().decode(bytes).split("\r\n", 1)[0]!);
      socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("Cannot listen: no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    caught,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
