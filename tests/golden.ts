import assert from "node:assert/strict";

/** Rewrites goldens instead of comparing: `deno test --allow-write ... -- --golden`. */
const REWRITE = Deno.args.includes("--golden");

/** Compares a value with its golden file; a person reads a rewritten one as a diff. */
export function assertGolden(file: URL, value: unknown): void {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  if (REWRITE) return Deno.writeTextFileSync(file, text);
  assert.deepEqual(JSON.parse(text), JSON.parse(Deno.readTextFileSync(file)), file.pathname);
}
