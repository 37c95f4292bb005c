/** Work done in a row before other work gets its turn. */
const SLICE = 16;

/** Work that may wait; beyond, all of it is done at once. */
const MAX_WAITING = 4_096;

/**
 * Work that calls leave behind, done when their callers have their answers: what is told here delays
 * none of them. Done together it costs less, too: code and data are still in the processor's caches.
 */
export class Afterwards<Work> {
  readonly #run: (work: Work) => void;
  readonly #delayMs: number;
  readonly #waiting: Work[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `run` does one piece of work, `delayMs` at the earliest after it was told, and never throws. */
  constructor(run: (work: Work) => void, delayMs = 0) {
    this.#run = run;
    this.#delayMs = delayMs;
  }

  add(work: Work): void {
    this.#waiting.push(work);
    this.#timer ??= setTimeout(() => this.#turn(), this.#delayMs);
  }

  /** Does all that waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.splice(0).forEach(this.#run);
  }

  #turn(): void {
    this.#timer = undefined;
    const size = this.#waiting.length > MAX_WAITING ? this.#waiting.length : SLICE;
    this.#waiting.splice(0, size).forEach(this.#run);
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#turn(), 0);
  }
}
