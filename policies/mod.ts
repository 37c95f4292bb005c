export { policyCommands } from "./commands.ts";
export { createPolicyRunner } from "./runner.ts";
