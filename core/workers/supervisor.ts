import type { ConfigFiles } from "../config/sources.ts";
import type { Log } from "../log.ts";
import type { UsageStore } from "../record.ts";
import type { Counts } from "./fleet.ts";
import type { Shipping, WorkerStart } from "./messages.ts";
import { Slot } from "./slot.ts";
import { BEAT_MS } from "./worker_process.ts";

/** Longest wait for the numbers of a worker, ms. */
const COUNTS_MS = 1_000;
/** Time beyond the grace that a worker has to end, ms. */
const END_MS = 15_000;

/** What a supervisor needs. */
export interface SupervisorOptions {
  readonly workers: number;
  readonly path: string;
  readonly listen: string;
  readonly files: ConfigFiles;
  readonly log: Log;
  /** Epoch ms. */
  now(): number;
  /** Monotonic ms. */
  clock(): number;
  /** What starts a worker. */
  command(): Deno.Command;
  /** `null` when the usage database is off. */
  readonly store: UsageStore | null;
  /** Time that calls in flight have when the gateway ends, ms. */
  graceMs(): number;
  /** The numbers of this process. */
  counts(): Promise<Counts>;
  /** Adds up the numbers of processes that are gone. */
  fold(counts: readonly Counts[]): Counts;
}

/** Keeps the workers of a gateway running, and is where they meet. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: readonly Slot[];
  /** Epoch ms at which the monotonic clock was 0. */
  readonly #origin: number;
  #latest: ConfigFiles;
  /** What workers counted that are gone. */
  #gone: Counts = [];
  #beat: ReturnType<typeof setInterval> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#origin = options.now() - options.clock();
    this.#latest = options.files;
    const { log, clock, command } = options;
    this.#slots = Array.from({ length: options.workers }, (_, worker) =>
      new Slot({
        worker,
        log,
        clock,
        command,
        desk: {
          counts: () => this.#counts(),
          totals: (...query) => this.#totals(...query),
        },
        start: () => this.#start(),
        onEnd: (counts) => this.#gone = options.fold([this.#gone, counts]),
      }));
  }

  /** How often a worker was replaced. */
  get restarts(): number {
    return this.#slots.reduce((sum, { restarts }) => sum + restarts, 0);
  }

  /**
   * Starts all workers; gives the address once every one of them listens.
   *
   * @throws {Error} that says why one of them does not serve; the others have ended
   */
  async start(): Promise<string> {
    this.#beat = setInterval(() => this.#slots.forEach((slot) => slot.beat()), BEAT_MS);
    const starts = await Promise.allSettled(this.#slots.map((slot) => slot.start()));
    const failed = starts.find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") {
      await this.stop();
      throw failed.reason;
    }
    return starts.flatMap((start) => start.status === "fulfilled" ? start.value : [])[0] ?? "";
  }

  /** Brings a configuration into force everywhere; one that starts later has it, too. */
  configure(files: ConfigFiles): void {
    this.#latest = files;
    for (const slot of this.#slots) void slot.configure(files);
  }

  /** Tells the workers how the usage database stands: they count on from there what they write. */
  ship(): void {
    const shipping = shippingOf(this.#options.store);
    if (shipping === null) return;
    for (const slot of this.#slots) slot.ship(shipping);
  }

  /** Lets every worker drain and end; a second time they do not wait for their calls. */
  async stop(): Promise<void> {
    const late = setTimeout(
      () => this.#slots.forEach((slot) => slot.kill()),
      this.#options.graceMs() + END_MS,
    );
    await Promise.all(this.#slots.map((slot) => slot.stop()));
    clearTimeout(late);
    clearInterval(this.#beat);
  }

  #start(): Omit<WorkerStart, "worker"> {
    const { path, listen, files, clock } = this.#options;
    return {
      path,
      listen,
      first: files,
      latest: this.#latest,
      steady: this.#origin + clock(),
      shipping: shippingOf(this.#options.store),
    };
  }

  async #counts(): Promise<readonly Counts[]> {
    const own = await this.#options.counts();
    await Promise.all(this.#slots.map((slot) => slot.refresh(COUNTS_MS)));
    // Nothing is awaited from here: a worker that ends now counts once, here or among those gone.
    return [own, this.#gone, ...this.#slots.map(({ counts }) => counts)];
  }

  async #totals(...query: Parameters<UsageStore["totals"]>): ReturnType<UsageStore["totals"]> {
    const { store } = this.#options;
    if (store === null) throw new Error("Cannot add up: the usage database is off");
    return await store.totals(...query);
  }
}

function shippingOf(store: UsageStore | null): Shipping | null {
  return store && { up: store.up, schema: store.schema, unshippedBytes: store.unshippedBytes };
}
