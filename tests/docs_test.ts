import assert from "node:assert/strict";
import { generatedDocs } from "../docs/generate.ts";
import { sections } from "../storage/reports/sections.ts";

for (const [name, text] of generatedDocs()) {
  Deno.test(`docs/${name} says what the code says (deno task docs)`, () => {
    const path = new URL(`../docs/${name}`, import.meta.url);
    assert.equal(Deno.readTextFileSync(path), text);
  });
}

Deno.test("docs/REPORTS.md has a place for every section", () => {
  const text = Deno.readTextFileSync(new URL("../docs/REPORTS.md", import.meta.url));
  const table = /^\| section .*\n(?:\|.*\n)+/m.exec(text)?.[0] ?? "";
  const named = [...table.matchAll(/`([^`]+)`/g)].flatMap(([, name = ""]) => spelledOut(name));
  assert.deepEqual(named.toSorted(), sections.map(({ id }) => id).toSorted());
});

/** `a-{b,c}` as `a-b` and `a-c`. */
function spelledOut(name: string): readonly string[] {
  const [, prefix, choices] = /^(.*)\{(.*)\}$/.exec(name) ?? [];
  return choices ? choices.split(",").map((choice) => prefix + choice) : [name];
}
