import type { QuarantineSettings } from "../../core/policy_runner.ts";

/** Whether a policy is asked: `probe` is the one try of a policy whose quarantine is over. */
export type Admission = "run" | "probe" | "refuse";

/** Keeps a policy that fails too often from being asked. All times are ms of one clock. */
export class Quarantine {
  #faults: number[] = [];
  #openUntil: number | null = null;
  #openings = 0;
  #probing = false;

  /** Whether calls do without the policy now. */
  get open(): boolean {
    return this.#openUntil !== null;
  }

  /** Whether a decision at `now` may ask the policy. */
  admit(now: number): Admission {
    if (this.#openUntil === null) return "run";
    if (now < this.#openUntil || this.#probing) return "refuse";
    this.#probing = true;
    return "probe";
  }

  /** A decision was made; tells whether that ended the quarantine. */
  succeed(admission: Admission): boolean {
    if (admission !== "probe") return false;
    this.#probing = false;
    this.#openUntil = null;
    this.#openings = 0;
    this.#faults = [];
    return true;
  }

  /** The policy was asked, and what came says nothing about it. */
  release(admission: Admission): void {
    if (admission === "probe") this.#probing = false;
  }

  /** Counts a fault; gives for how many ms the policy is now not asked, or `null`. */
  fail(admission: Admission, now: number, settings: QuarantineSettings): number | null {
    this.release(admission);
    if (this.open && admission !== "probe") return null;
    this.#faults = [...this.#faults.filter((at) => at > now - settings.windowMs), now];
    if (admission !== "probe" && this.#faults.length < settings.faults) return null;
    const ms = Math.min(settings.maxOpenMs, settings.openMs * 2 ** this.#openings);
    this.#openings += 1;
    this.#openUntil = now + ms;
    return ms;
  }
}
