export { addPolicyCommands } from "./commands.ts";
export { createPolicyRunner } from "./runner.ts";
