/** What becomes of bytes on their way to the server. */
export type Verdict = "pass" | "cut" | "cut-before-answer";

/** A TCP proxy before a socket; it can cut connections where it hurts. */
interface CutProxy extends AsyncDisposable {
  readonly port: number;
  /**
   * Judges each piece that a client sends. `cut`: the piece is not passed on. `cut-before-answer`: it
   * is, and the server's answer is not.
   */
  judge: (piece: string) => Verdict;
  /** Ends when a connection was cut. */
  readonly cut: Promise<void>;
}

/** Starts a proxy on a free port of the loopback. */
export function startCutProxy(socket: string): CutProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const cut = Promise.withResolvers<void>();
  const proxy = {
    port: listener.addr.port,
    judge: (_piece: string): Verdict => "pass",
    cut: cut.promise,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepted;
    },
  };
  const accepted = accept();

  async function accept(): Promise<void> {
    const served: Promise<void>[] = [];
    for await (const client of listener) served.push(serve(client));
    await Promise.all(served);
  }

  async function serve(client: Deno.TcpConn): Promise<void> {
    const server = await connect(socket);
    // A server that is down refuses its clients.
    if (server === null) return client.close();
    let withholds = false;
    const end = () => {
      for (const side of [client, server]) {
        try {
          side.close();
        } catch {
          // The other direction was faster.
        }
      }
    };
    const there = pump(client, server, (piece) => {
      const verdict = proxy.judge(piece);
      if (verdict === "cut-before-answer") withholds = true;
      return verdict !== "cut";
    });
    const back = pump(server, client, () => !withholds);
    const outcomes = await Promise.all([there, back].map(async (direction) => {
      const outcome = await direction;
      end();
      return outcome;
    }));
    if (outcomes.includes("cut")) cut.resolve();
  }

  return proxy;
}

async function connect(path: string): Promise<Deno.Conn | null> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch {
    return null;
  }
}

async function pump(
  from: Deno.Conn,
  to: Deno.Conn,
  passes: (piece: string) => boolean,
): Promise<"cut" | "ended"> {
  const buffer = new Uint8Array(65_536);
  const latin = new TextDecoder("latin1");
  try {
    for (let read; (read = await from.read(buffer)) !== null;) {
      const piece = buffer.subarray(0, read);
      if (!passes(latin.decode(piece))) return "cut";
      for (let sent = 0; sent < read;) sent += await to.write(piece.subarray(sent));
    }
  } catch {
    // Closed under way, by the other direction or by an end that is gone.
  }
  return "ended";
}
