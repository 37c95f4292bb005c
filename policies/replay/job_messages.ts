import type { RecordFilter, RecordPage } from "../../core/decision_store.ts";
import type { PageOutcome } from "./page_outcome.ts";

/** What decides in place of what decided. */
export type Candidate =
  | { readonly kind: "stored" }
  | { readonly kind: "strategy"; readonly strategy: string }
  | { readonly kind: "script"; readonly code: string };

/** What a job needs: plain data, since it runs in a thread of its own. */
export interface JobStart {
  /** Addresses of what the thread loads: the strategies, and what opens the records. */
  readonly modules: { readonly strategies: string; readonly records: string };
  /** Where the records are, as the second module understands it. */
  readonly place: unknown;
  readonly filter: RecordFilter;
  /** `null`: only the proof. */
  readonly candidate: Candidate | null;
}

/** What a job is told: how it starts, then page after page, then to end. */
export type JobRequest =
  | { readonly kind: "start"; readonly start: JobStart }
  | { readonly kind: "page"; readonly number: number; readonly page: RecordPage }
  | { readonly kind: "end" };

/** What a job answers to a page. */
export type JobAnswer =
  | { readonly kind: "page"; readonly number: number; readonly outcome: PageOutcome }
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly reason: "policy" | "records"; readonly message: string };
