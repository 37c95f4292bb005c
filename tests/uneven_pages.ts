import type { DecisionStore, RecordedCall } from "@/core/decision_store.ts";

/** Pages of one damaged record each, of which every other takes its time; a job opens it by its address. */
export function openDecisionStore(count: unknown): Promise<DecisionStore> {
  const pages = Number(count);
  return Promise.resolve({
    count: () => Promise.resolve(pages),
    async *pages() {
      for (let ts = 1; ts <= pages; ts++) {
        yield { after: { ts: ts - 1, requestId: "" }, to: { ts, requestId: "" }, count: 1 };
      }
    },
    async read(_filter, { to: { ts } }) {
      await new Promise((done) => setTimeout(done, ts % 2 * 50));
      return [damaged(`req_${ts}`)];
    },
    find: () => Promise.resolve(null),
    statics: () => Promise.resolve("damaged"),
    bundle: () => Promise.resolve(null),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

function damaged(requestId: string): RecordedCall {
  return {
    requestId,
    group: "fast",
    configFingerprint: "",
    policyKind: null,
    policyDigest: null,
    engine: "",
    seed: 0,
    contextZ: "",
    contextSha256: "",
    contentSha256: null,
    planJson: "",
    planSha256: null,
    caller: "ci",
    servedIndex: null,
    latencyMs: 0,
    tokens: { input: 0, cachedInput: 0, cacheWrite: 0, output: 0, image: null, imageCount: 0 },
    costNusd: {
      input: null,
      cached_input: null,
      cache_write: null,
      output: null,
      image: null,
      total: null,
    },
    failedTargets: [],
  };
}
