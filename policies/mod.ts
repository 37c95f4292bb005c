export { policyCommands } from "./commands.ts";
export { createPolicyRunner } from "./sandbox/runner.ts";
