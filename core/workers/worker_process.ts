import { within } from "../wait.ts";
import type { BirpcReturn } from "birpc";
import { counted, type Counts } from "./fleet.ts";
import { openLink } from "./link.ts";
import type { SupervisorSide, WorkerSide, WorkerStart } from "./messages.ts";

/** How often a worker says that it lives, ms. */
export const BEAT_MS = 1_000;
/** Beats that may be missing. */
const MISSING = 3;
/** Beats that may be missing while it comes up: a long journal is read in one go. */
const MISSING_AT_START = 30;

/** What a worker is answered. */
export type Desk = Pick<SupervisorSide, "counts" | "totals">;

/** One worker, as its supervisor sees it. */
export class WorkerProcess {
  readonly #child: Deno.ChildProcess;
  #silent = 0;
  #patience = MISSING_AT_START;
  /** What it counted, as far as is known. */
  counts: Counts = [];
  readonly remote: BirpcReturn<WorkerSide, SupervisorSide>;
  /** How it ended. */
  readonly ended: Promise<Deno.CommandStatus>;

  /** @throws {Error} when the system starts no process */
  constructor(command: Deno.Command, desk: Desk) {
    this.#child = command.spawn();
    const { stdout: readable, stdin: writable } = this.#child;
    const link = openLink<WorkerSide, SupervisorSide>({
      ...desk,
      alive: (counts) => {
        this.#silent = 0;
        if (counts !== null) this.counts = counted(this.counts, counts);
      },
    }, { readable, writable });
    this.remote = link.remote;
    this.ended = Promise.all([this.#child.status, link.ended]).then(([status]) => status);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Lets it begin to serve; gives the address once it listens. */
  async start(start: WorkerStart): Promise<string> {
    const url = await this.remote.start(start);
    this.#silent = 0;
    this.#patience = MISSING;
    return url;
  }

  /** To be called at every beat: ends a process that has been silent for too long. */
  beat(): void {
    this.#silent += 1;
    if (this.#silent > this.#patience) this.kill();
  }

  /** Asks what it counted; what is known stays when it does not answer in time. */
  async refresh(timeoutMs: number): Promise<void> {
    const counts = await within(this.remote.counts().catch(() => null), timeoutMs);
    if (counts !== null) this.counts = counts;
  }

  /** Ends the process at once, whatever it does. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already; its end is on the way.
    }
  }
}
