import type { ConfigFiles } from "../config/sources.ts";
import { type Counts, lasting } from "./fleet.ts";
import { openLink } from "./link.ts";
import type { Shipping, SupervisorSide, WorkerSide, WorkerStart } from "./messages.ts";
import { BEAT_MS } from "./worker_process.ts";

/** A worker that serves. */
export interface Serving {
  readonly url: string;
  configure(files: ConfigFiles): Promise<boolean>;
  counts(): Promise<Counts>;
  ship(shipping: Shipping): void;
  /** Drains, then closes everything; called again, it does not wait for calls. */
  stop(): Promise<void>;
}

/** Starts to serve; what a worker needs of others it asks its supervisor. */
export type Open = (start: WorkerStart, supervisor: SupervisorSide) => Promise<Serving>;

/**
 * Serves as one of several, as the supervisor at the other end of standard input and output says; ends
 * when it was told to stop, and at once when the supervisor is gone.
 */
export async function runWorker(open: Open): Promise<void> {
  const done = Promise.withResolvers<void>();
  let serving: Serving | null = null;

  function stop(): void {
    if (serving === null) return done.resolve();
    serving.stop().then(done.resolve, done.reject);
  }

  const link = openLink<SupervisorSide, WorkerSide>({
    async start(start) {
      serving = await open(start, link.remote);
      return serving.url;
    },
    configure: async (files) => await serving?.configure(files) ?? false,
    counts: async () => await serving?.counts() ?? [],
    ship: (shipping) => serving?.ship(shipping),
    stop,
  }, { readable: Deno.stdin.readable, writable: Deno.stdout.writable });
  void link.ended.then(() => (stop(), stop()));
  // They are for the supervisor, and a terminal sends them to all.
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {});
  }
  using _beat = beat(link.remote, async () => await serving?.counts() ?? []);
  await done.promise;
}

/** Says each second that this process lives, and what it counted when that changed. */
function beat(
  supervisor: { readonly alive: { asEvent: (counts: Counts | null) => Promise<void> } },
  count: () => Promise<Counts>,
): Disposable {
  let told = "";
  const say = async () => {
    const counts = lasting(await count().catch(() => []));
    const telling = JSON.stringify(counts);
    await supervisor.alive.asEvent(telling === told ? null : counts).catch(() => {});
    told = telling;
  };
  void say();
  const timer = setInterval(say, BEAT_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
