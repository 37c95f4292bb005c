import type { PolicyCase } from "./policy_case.ts";

export { context, type Stated, type StatedContext } from "./context.ts";
export type { Fixture } from "./fixture.ts";
export type { PolicyCase } from "./policy_case.ts";

/** Stands in for the `testPolicy` of authors: the cases are data, and the sandbox decides on them. */
export function testPolicy(_route: unknown, cases: readonly PolicyCase[]): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(cases)}\n`));
}
