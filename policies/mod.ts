export { createPolicyRunner } from "./runner.ts";
