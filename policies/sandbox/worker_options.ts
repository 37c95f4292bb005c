/** How a policy's thread is started: it may do nothing at all. */
export const POLICY_WORKER: WorkerOptions = {
  type: "module",
  name: "policy",
  deno: { permissions: "none" },
};
