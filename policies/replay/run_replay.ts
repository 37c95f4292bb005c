import type {
  DecisionArchive,
  DecisionStore,
  RecordFilter,
  RecordPage,
} from "../../core/decision_store.ts";
import { ReplayAccount } from "./account.ts";
import type { Candidate, JobAnswer, JobRequest, JobStart } from "./job_messages.ts";
import {
  type Difference,
  type PageOutcome,
  unpackCalls,
  type Verdict,
  VERDICTS,
} from "./page_outcome.ts";
import { MAX_LISTED } from "./redecide.ts";

/** Records that a job takes at once: more would only take more memory. */
const PAGE = 1_000;

/** Pages a job may have, so that it never waits for the next. */
const PAGES_PER_JOB = 2;

/** Which decisions are made again, and how. */
export interface ReplayOptions {
  readonly archive: DecisionArchive;
  readonly place: unknown;
  /** Address of a module with the strategies, for other threads. */
  readonly strategies: string;
  readonly filter: RecordFilter;
  /** `null`: only the proof. */
  readonly candidate: Candidate | null;
  readonly jobs: number;
  /** Only so many records; `null`: all. */
  readonly limit: number | null;
  /** Told how many records of how many are done. */
  onProgress(done: number, all: number): void;
}

/** What came of a replay. */
export interface Replay {
  readonly records: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly differences: readonly Difference[];
  readonly damaged: readonly string[];
  readonly undecided: { readonly needsContent: number; readonly remote: number };
  readonly account: ReplayAccount;
}

/** A job that cannot go on: its policy does not load, or its records cannot be read. */
export class ReplayFailure extends Error {
  override readonly name = "ReplayFailure";

  constructor(readonly reason: "policy" | "records", message: string) {
    super(message);
  }
}

/**
 * Decides about recorded calls again. Pages go to threads as they are free, and are added up in their
 * order, so that the result does not depend on the threads.
 *
 * @throws {ReplayFailure}
 */
export async function runReplay(options: ReplayOptions): Promise<Replay> {
  const { archive, place, filter, jobs, onProgress } = options;
  await using store = await archive.open(place);
  const sums = new Sums();
  const limit = options.limit ?? Infinity;
  const all = Math.min(limit, await store.count(filter));
  const team = Array.from({ length: jobs }, () => new Job(options));
  try {
    for await (const outcome of outcomesOf(store, { filter, all }, team)) {
      sums.add(outcome);
      onProgress(sums.records, all);
    }
    await Promise.all(team.map((job) => job.end()));
  } finally {
    for (const job of team) job.terminate();
  }
  return sums;
}

/** Outcomes of the pages, in their order; as many as the team can hold are under way. */
async function* outcomesOf(
  store: DecisionStore,
  { filter, all }: { readonly filter: RecordFilter; readonly all: number },
  team: readonly Job[],
): AsyncIterable<PageOutcome> {
  const underWay: Promise<PageOutcome>[] = [];
  for await (const page of store.pages(filter, { size: PAGE, limit: all })) {
    if (underWay.length >= team.length * PAGES_PER_JOB) yield await underWay.shift()!;
    const outcome = idlest(team).redecide(page);
    // It is looked at in its turn; until then its failure is no surprise.
    outcome.catch(() => {});
    underWay.push(outcome);
  }
  for (const outcome of underWay) yield await outcome;
}

function idlest(team: readonly Job[]): Job {
  return team.reduce((best, job) => job.waiting < best.waiting ? job : best);
}

class Sums implements Replay {
  records = 0;
  readonly verdicts = Object.fromEntries(VERDICTS.map((name) => [name, 0])) as Record<
    Verdict,
    number
  >;
  readonly differences: Difference[] = [];
  readonly damaged: string[] = [];
  readonly undecided = { needsContent: 0, remote: 0 };
  readonly account = new ReplayAccount();

  add({ verdicts, differences, damaged, undecided, calls }: PageOutcome): void {
    for (const name of VERDICTS) {
      this.verdicts[name] += verdicts[name];
      this.records += verdicts[name];
    }
    this.differences.push(...differences.slice(0, MAX_LISTED - this.differences.length));
    this.damaged.push(...damaged.slice(0, MAX_LISTED - this.damaged.length));
    this.undecided.needsContent += undecided.needsContent;
    this.undecided.remote += undecided.remote;
    for (const call of unpackCalls(calls)) this.account.add(call);
  }
}

/** A thread that decides about pages. */
class Job {
  readonly #worker: Worker;
  /** By the number of their page: a page may be done before one that it was given before. */
  readonly #open = new Map<number, PromiseWithResolvers<PageOutcome>>();
  readonly #ended = Promise.withResolvers<void>();
  #pages = 0;

  constructor({ archive, place, strategies, filter, candidate }: ReplayOptions) {
    this.#worker = new Worker(new URL("./job.ts", import.meta.url).href, {
      type: "module",
      name: "replay",
    });
    this.#worker.addEventListener(
      "message",
      ({ data }: MessageEvent<JobAnswer>) => this.#take(data),
    );
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(new ReplayFailure("records", `Cannot replay: ${event.message}`));
    });
    const start: JobStart = {
      modules: { strategies, records: archive.module },
      place,
      filter,
      candidate,
    };
    this.#tell({ kind: "start", start });
  }

  /** Pages it was given and has not answered. */
  get waiting(): number {
    return this.#open.size;
  }

  redecide(page: RecordPage): Promise<PageOutcome> {
    const answer = Promise.withResolvers<PageOutcome>();
    const number = this.#pages++;
    this.#open.set(number, answer);
    this.#tell({ kind: "page", number, page });
    return answer.promise;
  }

  /** Waits until it has let go of all it holds. */
  end(): Promise<void> {
    this.#tell({ kind: "end" });
    return this.#ended.promise;
  }

  terminate(): void {
    this.#worker.terminate();
  }

  #tell(request: JobRequest): void {
    this.#worker.postMessage(request);
  }

  #take(answer: JobAnswer): void {
    switch (answer.kind) {
      case "page":
        this.#open.get(answer.number)?.resolve(answer.outcome);
        return void this.#open.delete(answer.number);
      case "ended":
        return this.#ended.resolve();
      case "failed":
        return this.#fail(new ReplayFailure(answer.reason, answer.message));
    }
  }

  #fail(error: ReplayFailure): void {
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
    this.#ended.reject(error);
    this.#ended.promise.catch(() => {});
  }
}
