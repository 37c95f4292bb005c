import assert from "node:assert/strict";
import { DIALECT_NAMES } from "@/core/dialect.ts";
import { dialects } from "@/dialects/mod.ts";
import { DIALECT_FOLDERS, entries, recordings } from "./recordings.ts";

const FILES = ["edits.ts", "errors.ts", "mod.ts", "reply.ts", "request.ts", "stream.ts"];

Deno.test("every dialect name is registered", () => {
  assert.deepEqual(dialects.names, [...DIALECT_NAMES].sort());
});

for (const name of DIALECT_NAMES) {
  Deno.test(`${name} has the six files of a dialect`, () => {
    const folder = new URL(`../dialects/${DIALECT_FOLDERS[name]}/`, import.meta.url);
    assert.deepEqual(entries(folder), FILES);
  });

  Deno.test(`${name} has at least eight recordings, each with its source and its goldens`, () => {
    const all = recordings(name);
    assert(all.length >= 8);
    for (const { folder, streamed } of all) {
      const reply = streamed ? "response.sse" : "response.json";
      const files = ["facts.golden.json", "features.golden.json", "request.json", reply];
      assert.deepEqual(entries(folder), [...files, "source.json"].sort());
    }
  });
}
