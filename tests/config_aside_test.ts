import assert from "node:assert/strict";
import { loadConfig, loadConfigAside } from "@/core/config/load.ts";
import { BASE, parts, sources } from "./config_support.ts";

/** Longer than what is read at once; the comment changes nothing but the places. */
const long = (text: string) => `${"# long\n".repeat(4_000)}${text}`;

/** Texts of every kind of problem that has a place: syntax, tags, schema, checks, warnings; and none. */
const TEXTS: readonly (readonly [string, string])[] = [
  ["nothing wrong", BASE],
  ["a mark at its begin", `\uFEFF${BASE}`],
  ["a syntax error", `${BASE}\n  - { broken`],
  ["a tag", BASE.replace("demo:", "demo: !tag")],
  ["an unknown key", BASE.replace("allow:", "alow: 1, allow:")],
  ["a key twice", `${BASE}\ncallers: []\n`],
  ["a number that JSON has not", BASE.replace("models:", "usage: .inf\nmodels:")],
  ["a merge", `x: &x { a: 1 }\ny: { <<: *x, b: 2 }\n${BASE}`],
];

for (const [name, text] of TEXTS) {
  Deno.test(`config read aside is the one that is read at once: ${name}`, async () => {
    const written = text.startsWith("\uFEFF") ? `\uFEFF${long(text.slice(1))}` : long(text);
    const aside = await loadConfigAside("config.yaml", sources(written), parts);
    const atOnce = loadConfig("config.yaml", sources(written), parts);
    assert.deepEqual(aside.problems, atOnce.problems);
    assert.deepEqual(aside.ok && aside.config, atOnce.ok && atOnce.config);
    assert.equal(aside.ok && aside.snapshot.fingerprint, atOnce.ok && atOnce.snapshot.fingerprint);
  });
}

Deno.test("config read aside lets other work go on, and one that is not there is told", async () => {
  let turns = 0;
  const counting = setInterval(() => turns += 1, 0);
  const { ok } = await loadConfigAside("config.yaml", sources(long(BASE)), parts);
  clearInterval(counting);
  assert(ok);
  assert(turns > 1, `${turns} turns`);
  const missing = await loadConfigAside("none.yaml", sources(""), parts);
  assert.match(missing.problems[0]!.message, /does not exist/);
});
