import type { ConfigFiles } from "../config/sources.ts";
import type { Log } from "../log.ts";
import { within } from "../wait.ts";
import type { Counts } from "./fleet.ts";
import type { Shipping, WorkerStart } from "./messages.ts";
import { type Desk, WorkerProcess } from "./worker_process.ts";

/** A process that ended is replaced after this time; twice as late each time it ends again soon, ms. */
const MIN_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
/** A process that ran for this long has done well, ms. */
const STEADY_MS = 30_000;

/** What a place needs. */
export interface SlotOptions {
  readonly worker: number;
  readonly desk: Desk;
  readonly log: Log;
  /** Monotonic ms. */
  clock(): number;
  command(): Deno.Command;
  /** What a process that starts now is to know. */
  start(): Omit<WorkerStart, "worker">;
  /** A process ended, having counted this. */
  onEnd(counts: Counts): void;
}

/** One place among the workers: keeps a process in it. */
export class Slot {
  /** How often a process was replaced. */
  restarts = 0;
  readonly #options: SlotOptions;
  #process: WorkerProcess | null = null;
  /** Whether the process has begun to serve. */
  #serves = false;
  #kept: Promise<void> = Promise.resolve();
  #stopping = false;
  #hurry: () => void = () => {};

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  /** What the process counted, as far as is known. */
  get counts(): Counts {
    return this.#process?.counts ?? [];
  }

  /**
   * Starts the first process; gives its address once it listens.
   *
   * @throws {Error} that says why it does not serve
   */
  async start(): Promise<string> {
    const url = await this.#launch();
    this.#kept = this.#keep();
    return url;
  }

  beat(): void {
    this.#process?.beat();
  }

  async refresh(timeoutMs: number): Promise<void> {
    await this.#process?.refresh(timeoutMs);
  }

  ship(shipping: Shipping): void {
    void this.#process?.remote.ship.asEvent(shipping).catch(ignore);
  }

  /** A process that does not take what its supervisor took is replaced by one that does. */
  async configure(files: ConfigFiles): Promise<void> {
    const process = this.#process;
    // One that starts is told when it has.
    if (process === null || !this.#serves) return;
    if (!await process.remote.configure(files).catch(() => false)) process.kill();
  }

  /** Lets the process drain and end; a second time it does not wait for its calls. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#hurry();
    void this.#process?.remote.stop.asEvent().catch(ignore);
    await this.#kept;
  }

  kill(): void {
    this.#process?.kill();
  }

  async #launch(): Promise<string> {
    const { worker, command, desk, log, start } = this.#options;
    const process = new WorkerProcess(command(), desk);
    this.#process = process;
    try {
      const given = start();
      const url = await process.start({ ...given, worker });
      this.#serves = true;
      // What came while it started.
      const { latest, shipping } = start();
      if (latest !== given.latest) await this.configure(latest);
      if (shipping !== null) this.ship(shipping);
      log.write("info", "worker_started", "A worker serves", { worker, pid: process.pid });
      return url;
    } catch (error) {
      process.kill();
      await process.ended;
      throw error;
    }
  }

  /** Replaces the process as often as it ends, until it was told to. */
  async #keep(): Promise<void> {
    const { clock, onEnd } = this.#options;
    for (let failures = 0;;) {
      const since = clock();
      const status = await this.#process?.ended;
      onEnd(this.counts);
      this.#process = null;
      this.#serves = false;
      if (this.#stopping) return;
      failures = clock() - since < STEADY_MS ? failures + 1 : 1;
      const delay = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** (failures - 1));
      this.#tell(status, delay);
      await this.#pause(delay);
      if (this.#stopping) return;
      this.restarts += 1;
      await this.#launch().catch((error: Error) => this.#tellFailure(error));
    }
  }

  #tell(status: Deno.CommandStatus | undefined, delay_ms: number): void {
    const { worker, log } = this.#options;
    const { code, signal } = status ?? {};
    const fields = { worker, code, signal, delay_ms };
    log.write("error", "worker_ended", "A worker ended and is replaced", fields);
  }

  #tellFailure({ message: reason }: Error): void {
    // Told to stop while it came up, a process ends before it serves.
    if (this.#stopping) return;
    const { worker, log } = this.#options;
    log.write("error", "worker_ended", "A worker could not start", { worker, reason });
  }

  async #pause(ms: number): Promise<void> {
    const hurried = Promise.withResolvers<void>();
    this.#hurry = hurried.resolve;
    await within(hurried.promise, ms);
  }
}

/** A worker that is gone is told nothing. */
const ignore = () => {};
