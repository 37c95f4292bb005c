import assert from "node:assert/strict";
import { POLICY_WORKER } from "@/policies/sandbox/worker_options.ts";

Deno.test("thread of a policy may do nothing at all", async () => {
  const worker = new Worker(
    new URL("./policy_worker_attempts.ts", import.meta.url).href,
    POLICY_WORKER,
  );
  const outcomes = await new Promise<Record<string, string>>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
  worker.terminate();
  assert(Object.keys(outcomes).length > 5);
  for (const [name, outcome] of Object.entries(outcomes)) {
    assert(["NotCapable", "PermissionDenied"].includes(outcome), `${name}: ${outcome}`);
  }
});
