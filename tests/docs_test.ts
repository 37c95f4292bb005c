import assert from "node:assert/strict";
import { generatedDocs } from "../docs/generate.ts";

for (const [name, text] of generatedDocs()) {
  Deno.test(`docs/${name} says what the code says (deno task docs)`, () => {
    const path = new URL(`../docs/${name}`, import.meta.url);
    assert.equal(Deno.readTextFileSync(path), text);
  });
}
