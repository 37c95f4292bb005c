import type { ListenAddress } from "@/core/config/listen.ts";
import { messageOf } from "@/core/thrown.ts";

/** A listener that serves one answer on one path, without authentication. */
export interface Listener {
  /**
   * Listens there, or nowhere; with `reusePort` beside other processes.
   *
   * @throws {Error} with the address and the system's reason
   */
  open(address: ListenAddress | null, reusePort: boolean): void;
  /** Closes, then opens elsewhere, unless the address is the one it has. */
  move(address: ListenAddress | null): Promise<void>;
}

/** Builds a listener that does not listen yet. */
export function createListener(path: string, answer: () => Promise<Response>): Listener {
  let listening: ListenAddress | null = null;
  let shares = false;
  let server: Deno.HttpServer | null = null;

  function handle({ url, method }: Request): Response | Promise<Response> {
    // A Host header may make anything of it.
    if (URL.parse(url)?.pathname !== path) return new Response(null, { status: 404 });
    return method === "GET" || method === "HEAD" ? answer() : new Response(null, { status: 405 });
  }

  function open(address: ListenAddress | null, reusePort: boolean): void {
    listening = address;
    shares = reusePort;
    if (!address) return;
    try {
      const onError = () => new Response(null, { status: 500 });
      server = Deno.serve({ ...address, reusePort, onListen: () => {}, onError }, handle);
    } catch (error) {
      listening = null;
      const reason = messageOf(error);
      const { hostname, port } = address;
      throw new Error(`Cannot listen on ${hostname}:${port}: ${reason}`, { cause: error });
    }
  }

  return {
    open,
    async move(address) {
      if (listening?.hostname === address?.hostname && listening?.port === address?.port) return;
      const old = server;
      server = null;
      await old?.shutdown();
      open(address, shares);
    },
  };
}
