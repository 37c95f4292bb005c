import type { RecordedCall } from "../../core/decision_store.ts";
import { RecordError } from "../../core/telemetry/context_record.ts";
import { ENGINE } from "../../core/telemetry/engine.ts";
import { candidateOutcome, servedOutcome } from "./candidate_outcome.ts";
import type { Deciders } from "./deciders.ts";
import type { Candidate } from "./job_messages.ts";
import {
  type CallOutcome,
  type Difference,
  packCalls,
  type PageOutcome,
  type Verdict,
  VERDICTS,
} from "./page_outcome.ts";
import { type Planned, plansOf } from "./plans.ts";
import { type ReadRecord, readRecord } from "./read_record.ts";

/** Decisions that go to a sandbox together. */
const BATCH = 256;

/** Differences, and damaged records, that a report lists. */
export const MAX_LISTED = 20;

/** What decides in place of what decided; it may be of the group. */
export type CandidateOf = (read: ReadRecord) => ReadRecord["decider"];

/** Decides about the records of a page again: as they were, and by the candidate. */
export async function redecidePage(
  records: readonly RecordedCall[],
  { deciders, candidate }: {
    readonly deciders: Deciders;
    readonly candidate: CandidateOf | null;
  },
): Promise<PageOutcome> {
  const verdicts = Object.fromEntries(VERDICTS.map((name) => [name, 0])) as Record<Verdict, number>;
  const differences: Difference[] = [];
  const damaged: string[] = [];
  const undecided = { needsContent: 0, remote: 0 };
  const calls: CallOutcome[] = [];
  for (let at = 0; at < records.length; at += BATCH) {
    const read = await readRecords(records.slice(at, at + BATCH), deciders, {
      verdicts,
      damaged,
    });
    const again = await planned(read, ({ decider }) => decider);
    read.forEach((item, index) => {
      const verdict = verdictOf(item, again[index]!);
      verdicts[verdict] += 1;
      if (verdict === "different" && differences.length < MAX_LISTED) {
        differences.push(differenceOf(item, again[index]!));
      }
    });
    const other = candidate === null ? null : await planned(read, candidate, again);
    for (const [index, item] of read.entries()) {
      const plan = other?.[index];
      if (plan === "needsContent") undecided.needsContent += 1;
      else if (plan === "remote" || plan === "missing") undecided.remote += 1;
      else {
        calls.push({
          ...servedOutcome(item),
          candidate: plan ? await candidateOutcome(item, plan, deciders) : null,
        });
      }
    }
  }
  return {
    verdicts,
    differences,
    damaged: damaged.slice(0, MAX_LISTED),
    undecided,
    calls: packCalls(calls),
  };
}

/** Makes the candidate of a replay. */
export function candidateOf(candidate: Candidate, deciders: Deciders): CandidateOf {
  switch (candidate.kind) {
    case "stored":
      return ({ decider }) => decider;
    case "script": {
      const decider = deciders.script(candidate.code);
      return ({ record }) => record.contentSha256 === null ? decider : "needsContent";
    }
    case "strategy": {
      const { strategy } = candidate;
      const usual = { strategy, options: null };
      return ({ statics }) => deciders.builtin(statics.strategy === strategy ? statics : usual);
    }
  }
}

async function readRecords(
  records: readonly RecordedCall[],
  deciders: Deciders,
  { verdicts, damaged }: {
    readonly verdicts: Record<Verdict, number>;
    readonly damaged: string[];
  },
): Promise<readonly ReadRecord<RecordedCall>[]> {
  const read: ReadRecord<RecordedCall>[] = [];
  for (const record of records) {
    try {
      const item = await readRecord(record, deciders);
      if (item) read.push(item);
      else verdicts.missing += 1;
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      verdicts.corrupt += 1;
      damaged.push(record.requestId);
    }
  }
  return read;
}

/** Plans where something can decide, else why not; what was decided already is not asked again. */
async function planned(
  read: readonly ReadRecord[],
  deciderOf: CandidateOf,
  known: readonly (Planned | string)[] = [],
): Promise<readonly (Planned | "remote" | "missing" | "needsContent")[]> {
  const deciders = read.map((item) => deciderOf(item));
  const isKnown = (index: number) =>
    known[index] !== undefined && deciders[index] === read[index]!.decider;
  const open = [...read.keys()].filter((index) =>
    typeof deciders[index] === "object" && !isKnown(index)
  );
  const plans = await plansOf(
    open.flatMap((index) => {
      const decider = deciders[index]!;
      return typeof decider === "object" ? [{ decider, context: read[index]!.context }] : [];
    }),
  );
  const made = new Map(open.map((index, place) => [index, plans[place]!]));
  return deciders.map((decider, index) => {
    if (typeof decider === "string") return decider;
    const plan = made.get(index) ?? known[index];
    return typeof plan === "object" ? plan : "missing";
  });
}

/** How the second plan compares; a fault is a difference, since the first was a plan. */
function verdictOf(
  { record }: Pick<ReadRecord, "record">,
  again: Planned | "remote" | "missing" | "needsContent",
): Verdict {
  if (typeof again === "string") return again;
  if (again.kind === "plan" && again.json === record.planJson) return "identical";
  return record.engine === ENGINE ? "different" : "engineChanged";
}

function differenceOf(
  { record }: ReadRecord,
  again: Planned | string,
): Difference {
  const redecided = typeof again === "object" && again.kind === "plan" ? again.json : null;
  return { requestId: record.requestId, stored: record.planJson, redecided };
}
