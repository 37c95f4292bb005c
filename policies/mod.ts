export { createPolicyRunner } from "./sandbox/runner.ts";
