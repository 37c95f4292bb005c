import assert from "node:assert/strict";
import { join } from "node:path";
import { nextTurn } from "@/core/wait.ts";
import type { Bundle } from "@/policies/sandbox/bundle.ts";
import { createBundler } from "@/policies/sandbox/bundler.ts";
import { flawOf } from "@/policies/sandbox/source_position.ts";
import { startHost } from "./policy_support.ts";

/** All cases share a bundler: its thread takes seconds to start. */
const root = Deno.makeTempDirSync();
const bundler = createBundler();

Deno.test.afterAll(() => {
  bundler[Symbol.dispose]();
  Deno.removeSync(root, { recursive: true });
});

/** Bundles the first of some files. */
async function bundling(files: Readonly<Record<string, string>>) {
  const dir = await Deno.makeTempDir({ dir: root });
  for (const [name, text] of Object.entries(files)) {
    const path = join(dir, name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
  const [entry = ""] = Object.keys(files);
  return await bundler.bundle(join(dir, entry), root);
}

async function bundleOf(files: Readonly<Record<string, string>>): Promise<Bundle> {
  const result = await bundling(files);
  assert(result.ok, JSON.stringify(result));
  return result.bundle;
}

const PACKAGE = {
  "policies/a.ts": `
    import { double } from "./lib/double";
    import left from "left";
    import { deep } from "@scope/esm/deep";
    import type { Plan } from "@pointsman/sdk";
    export const route = (): Plan => ({ targetIndex: double(left) + deep });`,
  "policies/lib/double.ts": "export const double = (n: number): number => n * 2;",
  "node_modules/left/package.json": '{"name":"left","main":"lib.js"}',
  "node_modules/left/lib.js": "module.exports = 3;",
  "node_modules/@scope/esm/package.json": '{"exports":{"./deep":{"import":"./deep.mjs"}}}',
  "node_modules/@scope/esm/deep.mjs": "export const deep = 1;",
};

Deno.test("bundle holds relative files, packages on disk and the SDK", async () => {
  const bundle = await bundleOf(PACKAGE);
  await using test = await startHost(bundle.code, { timeoutMs: 1_000 });
  assert.deepEqual(await test.decide(), { kind: "plan", text: '{"targetIndex":7}' });
  assert.equal(Object.keys(bundle.sources).length, 4);
});

Deno.test("bundle of the same sources has the same digest wherever they lie", async () => {
  const [first, second] = await Promise.all([bundleOf(PACKAGE), bundleOf(PACKAGE)]);
  assert.equal(first.digest, second.digest);
  assert.match(first.digest, /^[0-9a-f]{64}$/);
  const changed = { ...PACKAGE, "node_modules/left/lib.js": "module.exports = 4;" };
  assert.notEqual((await bundleOf(changed)).digest, first.digest);
});

const using = (line: string) => `${line}\nexport const route = () => [x];`;

const REFUSED: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
  ["a syntax error", { "a.ts": "export const route = ;" }, /a\.ts:1:22: Unexpected/],
  ["a platform module", { "a.ts": using('import x from "node:fs";') }, /1:15: .*policy imports/],
  ["a platform module by its bare name", { "a.ts": using('import x from "fs";') }, /not there/],
  ["an address", { "a.ts": using('import x from "https://a.b/c.ts";') }, /policy imports/],
  ["jsr", { "a.ts": using('import x from "jsr:@std/assert";') }, /policy imports/],
  ["data", { "a.ts": using('import x from "data:text/javascript,1";') }, /policy imports/],
  ["a file that is not there", { "a.ts": using('import x from "./b.ts";') }, /not there/],
  ["a file outside", { "p/a.ts": using('import x from "../../b.ts";') }, /not there|outside/],
  ["an absolute file", { "a.ts": using('import x from "/etc/hostname";') }, /relative or names/],
  ["a name only known later", {
    "a.ts": "export const route = (c: { x: string }) => import(c.x);",
  }, /written out/],
  ["more than a mebibyte", {
    "a.ts": `export const route = () => "${"x".repeat(1_048_576)}";`,
  }, /more than 1048576/],
];

for (const [name, files, expected] of REFUSED) {
  Deno.test(`bundle refuses ${name}`, async () => {
    const result = await bundling(files);
    assert(!result.ok);
    const told = result.flaws.map(({ file, line, column, message }) =>
      `${file}:${line}:${column}: ${message}`
    );
    assert.match(told.join("\n"), expected);
  });
}

Deno.test("bundle refuses a link that leads outside", async () => {
  const dir = await Deno.makeTempDir();
  const outside = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(outside, "export const x = 1; export const route = () => ({});");
  await Deno.symlink(outside, join(dir, "link.ts"));
  await Deno.writeTextFile(join(dir, "a.ts"), using('import { x } from "./link.ts";'));
  using bundler = createBundler();
  for (const name of ["link.ts", "a.ts"]) {
    const result = await bundler.bundle(join(dir, name), dir);
    assert(!result.ok);
    assert.match(result.flaws[0]?.message ?? "", /outside/);
  }
  await Deno.remove(dir, { recursive: true });
  await Deno.remove(outside);
});

Deno.test("place of an error is that in the source its author wrote", async () => {
  const bundle = await bundleOf({
    "a.ts": 'import { fail } from "./b.ts";\n\nexport const route = () => fail();',
    "b.ts": 'type Late = never;\nexport function fail(): Late {\n  throw new TypeError("late");\n}',
  });
  await using test = await startHost(bundle.code, { timeoutMs: 1_000, traces: true });
  const answer = await test.decide();
  assert(answer.kind === "fault");
  const { file, line, column, message } = flawOf(bundle, answer.detail, "a.ts");
  assert.match(file, /b\.ts$/);
  assert.deepEqual([line, column, message], [3, 9, "TypeError: late"]);
});

Deno.test("bundler starts another thread after one that failed before anything was asked of it", async () => {
  const dir = await Deno.makeTempDir({ dir: root });
  await Deno.writeTextFile(join(dir, "a.ts"), "export const route = () => ({ targetIndex: 0 });");
  using bundler = createBundler();
  const failed = Promise.withResolvers<void>();
  const Thread = globalThis.Worker;
  globalThis.Worker = class extends Thread {
    constructor() {
      super("data:text/javascript,throw new Error('out of memory')", { type: "module" });
      this.addEventListener("error", () => failed.resolve());
    }
  };
  try {
    bundler.warm(dir);
  } finally {
    globalThis.Worker = Thread;
  }
  await failed.promise;
  await nextTurn();
  const result = await bundler.bundle(join(dir, "a.ts"), dir);
  assert(result.ok);
});
