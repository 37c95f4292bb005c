import assert from "node:assert/strict";
import { DIALECT_NAMES } from "@/core/dialect_name.ts";
import { dialects } from "@/dialects/mod.ts";
import { upstreams } from "@/plugins/mod.ts";
import { strategies } from "@/strategies/mod.ts";
import deno from "../deno.json" with { type: "json" };
import { DIALECT_FOLDERS, entries, recordings } from "./recordings.ts";
import { STRATEGY_CASES } from "./strategy_cases.ts";

const FILES = [
  "decode_request.ts",
  "decode_response.ts",
  "decode_stream.ts",
  "edits.ts",
  "encode_request.ts",
  "encode_response.ts",
  "encode_stream.ts",
  "errors.ts",
  "mod.ts",
  "reply.ts",
  "request.ts",
  "stream.ts",
];

const root = new URL("../", import.meta.url);
const LISTS = { dialects, strategies, upstreams };

Deno.test("every dialect name is registered", () => {
  assert.deepEqual(dialects.names, [...DIALECT_NAMES].sort());
});

for (const name of DIALECT_NAMES) {
  Deno.test(`${name} has the files of a dialect`, () => {
    const folder = new URL(`dialects/${DIALECT_FOLDERS[name]}/`, root);
    const missing = FILES.filter((file) => !entries(folder).includes(file));
    assert.deepEqual(missing, []);
  });

  Deno.test(`${name} has at least twelve recordings, each with its source and its goldens`, () => {
    const all = recordings(name);
    assert(all.length >= 12);
    for (const { folder, streamed } of all) {
      const reply = streamed ? "response.sse" : "response.json";
      const files = ["facts.golden.json", "features.golden.json", "request.json", reply];
      assert.deepEqual(entries(folder), [...files, "source.json"].sort());
    }
  });
}

Deno.test("every dialect folder belongs to a dialect", () => {
  const folders = foldersIn("dialects/");
  assert.deepEqual(folders, Object.values(DIALECT_FOLDERS).sort());
});

Deno.test("every strategy has its file and its table of cases", () => {
  const files = entries(new URL("strategies/", root));
  for (const name of strategies.names) assert(files.includes(`${name}.ts`), name);
  const deciding = strategies.items.flatMap(({ name, policy }) => policy ? [] : [name]);
  for (const name of deciding) assert(STRATEGY_CASES[name]?.length, name);
  assert.deepEqual(Object.keys(STRATEGY_CASES).sort(), deciding);
});

Deno.test("every file that makes a strategy is registered", () => {
  const made = entries(new URL("strategies/", root)).filter((file) =>
    /^export const \w+: Strategy\b/m.test(read(`strategies/${file}`))
  );
  assert.deepEqual(made, strategies.names.map((name) => `${name}.ts`));
});

Deno.test("every plugin folder is registered", () => {
  const list = read("plugins/mod.ts");
  const missing = foldersIn("plugins/").filter((folder) => !list.includes(`"./${folder}/mod.ts"`));
  assert.deepEqual(missing, []);
});

Deno.test("every example policy has its cases beside it", () => {
  const files = entries(new URL("policies/examples/", root));
  const policies = files.filter((file) => !file.endsWith("_test.ts"));
  assert(policies.length >= 5);
  assert.deepEqual(
    files,
    policies.flatMap((file) => [file, file.replace(".ts", "_test.ts")]).sort(),
  );
});

for (const [name, { items, names }] of Object.entries(LISTS)) {
  Deno.test(`list of ${name} is sorted, and finds each by its name`, () => {
    const listed = items.map((item) => item.name);
    assert.deepEqual(listed, listed.toSorted());
    assert.deepEqual(names, listed);
  });
}

Deno.test("every package of the import map is imported", () => {
  const imported = new Set(
    ["core", "dialects", "docs", "plugins", "policies", "storage", "strategies", "tests"]
      .flatMap((folder) => sourcesIn(`${folder}/`))
      .concat(read("main.ts"))
      .flatMap((source) => [...source.matchAll(/\bfrom "([^".][^"]*)"/g)].map(([, name]) => name!)),
  );
  const packages = Object.entries(deno.imports)
    .flatMap(([name, from]) => from.startsWith("./") ? [] : [name]);
  const used = (name: string) =>
    [...imported].some((from) => from === name || from.startsWith(`${name}/`));
  assert.deepEqual(packages.filter((name) => !used(name)), []);
});

Deno.test("import map is sorted, and every package has one exact version", () => {
  const names = Object.keys(deno.imports);
  assert.deepEqual(names, names.toSorted());
  const packages = Object.entries(deno.imports).filter(([_, from]) => !from.startsWith("./"));
  for (const [name, from] of packages) {
    assert.match(from, /^npm:(?:@[\w-]+\/)?[\w.-]+@\d+\.\d+\.\d+(?:\/|$)/, name);
  }
});

/** An example that cannot fail proves nothing. */
Deno.test("every JSDoc example is run, imports what it shows, and can fail", () => {
  const folders = ["core", "dialects", "plugins", "policies", "storage", "strategies"];
  const examples = folders.flatMap((folder) => sourcesIn(`${folder}/`)).flatMap(examplesIn);
  assert(examples.length > 0);
  for (const example of examples) {
    assert.match(example, /```ts\n/);
    assert.match(example, /import (?:type )?\{[^}]*\} from "@\//);
    assert.match(example, /throw new /);
  }
});

function examplesIn(source: string): readonly string[] {
  const comments = source.match(/\/\*\*[\s\S]*?\*\//g) ?? [];
  return comments.flatMap((comment) => comment.split("@example").slice(1));
}

const read = (path: string) => Deno.readTextFileSync(new URL(path, root));

function foldersIn(path: string): readonly string[] {
  return [...Deno.readDirSync(new URL(path, root))]
    .flatMap(({ name, isDirectory }) => isDirectory ? [name] : []).sort();
}

/** Texts of all TypeScript files under a folder. */
function sourcesIn(path: string): readonly string[] {
  return [...Deno.readDirSync(new URL(path, root))].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return sourcesIn(`${path}${name}/`);
    return name.endsWith(".ts") ? [read(path + name)] : [];
  });
}
