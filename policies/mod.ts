export { policyCommands } from "./commands.ts";
export { createPolicyRunner } from "./runner.ts";
export { addPolicyHost } from "./sandbox/host_command.ts";
