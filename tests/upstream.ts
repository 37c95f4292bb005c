import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { echo } from "./upstream_behaviours.ts";
import { type Behaviour, type SeenRequest, serveConnection } from "./upstream_connection.ts";

export * from "./upstream_behaviours.ts";
export type { Behaviour, Ending, Exchange, SeenRequest } from "./upstream_connection.ts";

/** One behaviour for every request, or several in turn (the last one stays). */
type Turns = Behaviour | readonly Behaviour[];

/** What an upstream does: the same for every model, or by the model the body names (`*`: others). */
export type Script = Turns | Readonly<Record<string, Turns>>;

/** A provider on a real socket that does what a test tells it to. */
export interface TestUpstream extends AsyncDisposable {
  /** Without a trailing slash; base URLs may add any path. */
  readonly url: string;
  /** Every request, in order of arrival. */
  readonly requests: readonly SeenRequest[];
  /** TCP connections accepted so far. */
  readonly connections: number;
  /** Replaces what it does; turns start anew. */
  script(script: Script): void;
  /** The request of that ordinal (from 1), as soon as it is there. */
  request(ordinal: number): Promise<SeenRequest>;
}

/**
 * Starts an upstream. Until it is scripted it answers as the echo does.
 *
 * @example Usage
 * ```ts ignore
 * await using upstream = await startUpstream();
 * upstream.script({ "up-1": [errorReply("openai-chat", 503), echo("echo")], "*": html() });
 * ```
 */
export async function startUpstream(script: Script = echo()): Promise<TestUpstream> {
  const requests: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let next = director(script);
  let arrival = Promise.withResolvers<void>();
  const server = createServer(async (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    await serveConnection(socket, {
      ordinal: connections,
      behaviourFor: (request) => next(request),
      seen(request) {
        requests.push(request);
        arrival.resolve();
        arrival = Promise.withResolvers();
      },
    });
  });
  const url = await listen(server);
  return {
    url,
    requests,
    get connections() {
      return connections;
    },
    script: (script) => void (next = director(script)),
    async request(ordinal) {
      while (requests.length < ordinal) await arrival.promise;
      return requests[ordinal - 1]!;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A URL where nobody listens: connections to it are refused. */
export async function closedPort(): Promise<string> {
  const server = createServer();
  const url = await listen(server);
  const closed = once(server, "close");
  server.close();
  await closed;
  return url;
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("Cannot listen: no port");
  return `http://127.0.0.1:${address.port}`;
}

/** Picks the behaviour of each request. */
function director(script: Script): (request: SeenRequest) => Behaviour {
  const counts = new Map<string, number>();
  return (request) => {
    const key = isTurns(script) ? "*" : modelKey(script, request);
    const turns = isTurns(script) ? script : script[key];
    if (turns === undefined) throw new Error(`Cannot answer: model "${key}" is not in the script`);
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    if (typeof turns === "function") return turns;
    const behaviour = turns[Math.min(count, turns.length - 1)];
    if (!behaviour) throw new Error(`Cannot answer: the script of "${key}" is empty`);
    return behaviour;
  };
}

function isTurns(script: Script): script is Turns {
  return typeof script === "function" || Array.isArray(script);
}

function modelKey(script: Readonly<Record<string, Turns>>, request: SeenRequest): string {
  const model = String(request.json()["model"]);
  return Object.hasOwn(script, model) ? model : "*";
}
