export { addPolicyCommands } from "./commands.ts";
export { createPolicyRunner } from "./sandbox/runner.ts";
