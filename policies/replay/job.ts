/// <reference lib="deno.worker" />
import type { DecisionStore } from "../../core/decision_store.ts";
import type { Registry } from "../../core/registry.ts";
import type { Strategy } from "../../core/strategy.ts";
import { messageOf } from "../../core/thrown.ts";
import { Deciders } from "./deciders.ts";
import type { JobAnswer, JobRequest, JobStart } from "./job_messages.ts";
import { candidateOf, redecidePage } from "./redecide.ts";
import { BrokenPolicy } from "./sandbox.ts";

/**
 * A thread of a replay: reads the records of a page, decides about them again, and answers with what came
 * of it. What it decides with is loaded from the addresses that it is given.
 */
async function open({ modules, place, filter, candidate }: JobStart) {
  const { strategies }: { strategies: Registry<Strategy> } = await import(modules.strategies);
  const { openDecisionStore }: { openDecisionStore(place: unknown): Promise<DecisionStore> } =
    await import(modules.records);
  const store = await openDecisionStore(place);
  const deciders = new Deciders(strategies, store);
  const chosen = candidate && candidateOf(candidate, deciders);
  return {
    async redecide({ number, page }: JobRequest & { kind: "page" }): Promise<JobAnswer> {
      const records = await store.read(filter, page);
      const outcome = await redecidePage(records, { deciders, candidate: chosen });
      return { kind: "page", number, outcome };
    },
    async close(): Promise<JobAnswer> {
      await deciders[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      return { kind: "ended" };
    },
  };
}

let job: ReturnType<typeof open> | null = null;

async function answer(request: JobRequest): Promise<void> {
  try {
    if (request.kind === "start") return void await (job = open(request.start));
    const { redecide, close } = await job!;
    const answer = request.kind === "page" ? await redecide(request) : await close();
    const transfer = answer.kind === "page" ? [answer.outcome.calls.numbers.buffer] : [];
    self.postMessage(answer, transfer);
  } catch (error) {
    const reason = error instanceof BrokenPolicy ? "policy" : "records";
    const message = messageOf(error);
    self.postMessage({ kind: "failed", reason, message } satisfies JobAnswer);
  }
}

self.addEventListener("message", ({ data }: MessageEvent<JobRequest>) => void answer(data));
