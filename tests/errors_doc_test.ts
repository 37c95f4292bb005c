import assert from "node:assert/strict";
import { ERRORS } from "@/core/errors.ts";
import { UPSTREAM_CLASSES } from "@/core/upstream_error.ts";
import deno from "../deno.json" with { type: "json" };

/** The rows whose first cell is code, cell by cell; `part` 0 is what stands before the first heading. */
function rows(name: string, part = 0): string[][] {
  const text = Deno.readTextFileSync(new URL(`../docs/${name}`, import.meta.url));
  const lines = text.split("\n## ")[part]!.split("\n").filter((line) => line.startsWith("| `"));
  return lines.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

const code = (name: string) => `\`${name}\``;

Deno.test("docs/ERRORS.md lists every error with its status and retry, and no other", () => {
  const listed = rows("ERRORS.md");
  const expected = Object.entries(ERRORS).map(([name, { status, retry }]) => [
    code(name),
    String(status),
    retry,
  ]);
  assert.deepEqual(listed.map((cells) => cells.slice(0, 3)), expected);
  for (const [name, , , meaning, advice] of listed) assert(meaning && advice, name);
});

Deno.test("docs/ERRORS.md lists every class of provider failures, and what may follow it", () => {
  const listed = rows("ERRORS.md", 1);
  const expected = Object.entries(UPSTREAM_CLASSES).map(([name, { next }]) => [code(name), next]);
  assert.deepEqual(listed.map(([name, , next]) => [name, next]), expected);
});

Deno.test("docs/DEPENDENCIES.md lists every package of the import map at its version", () => {
  const expected = Object.entries(deno.imports).flatMap(([name, from]) => {
    const version = /@(\d[^/]*)/.exec(from.slice("npm:".length))?.[1];
    return version === undefined ? [] : [[code(name), version]];
  });
  assert.deepEqual(rows("DEPENDENCIES.md").map((cells) => cells.slice(0, 2)), expected);
});
