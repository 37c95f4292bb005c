import assert from "node:assert/strict";

/** Which folders a folder may import. The whole dependency rule of the project. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "core": ["core"],
  "dialects": ["core", "dialects"],
  "strategies": ["core", "strategies"],
  "policies": ["core", "deno.json", "policies"],
  "plugins": ["core", "plugins"],
  "storage": ["core", "storage"],
  "main.ts": [
    "core",
    "deno.json",
    "dialects",
    "plugins",
    "policies",
    "storage",
    "strategies",
  ],
};

/** Where modules are loaded from: the command line, and what is started by its address. */
const ENTRIES = [
  "core/config/tree_worker.ts",
  "main.ts",
  "policies/replay/job.ts",
  "policies/sandbox/bundle_worker.ts",
  "policies/sandbox/host.ts",
  "policies/sandbox/realm_worker.ts",
  "policies/sandbox/thread_worker.ts",
  "policies/sdk/collecting.ts",
  "policies/sdk/mod.ts",
  "policies/sdk/testing.ts",
  "storage/worker.ts",
];

const PRODUCT = ["core", "dialects", "plugins", "policies", "storage", "strategies"];

/** Everything at the top of the repository but dotfiles and what git ignores. */
const TOP_LEVEL = [
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "LICENSE",
  "README.md",
  "config.example.yaml",
  "core",
  "deno.json",
  "deno.lock",
  "deploy",
  "dialects",
  "docs",
  "env.example.json",
  "main.ts",
  "plugins",
  "policies",
  "storage",
  "strategies",
  "tests",
];

/** What only some files may do; a path that ends with a slash names a folder. */
const ONLY: readonly (readonly [string, RegExp, readonly string[]])[] = [
  ["reads the environment", /\bDeno\.env\b|\bprocess\.env\b/, ["main.ts"]],
  ["ends the process", /\b(?:Deno|process)\.exit\b/, ["main.ts", "policies/sandbox/host.ts"]],
  [
    "writes to the console",
    /\bconsole\.|\bDeno\.std(?:out|err)\b|\bprocess\.std(?:out|err)\b/,
    [
      "core/log.ts",
      "core/workers/worker.ts",
      "policies/sandbox/realm_worker.ts",
      "policies/sdk/collecting.ts",
    ],
  ],
  ["opens a database", /["']node:sqlite["']|\bDeno\.openKv\b/, ["storage/"]],
  [
    "reaches the network",
    /(?<![.\w] *)fetch\((?!\w+[,:])|\bDeno\.(?:connect|listen|createHttpClient|resolveDns)\b|\bWebSocket\(|["']node:(?:https?|net|tls|dns)\b/,
    [
      "core/egress_client.ts",
      "core/gateway.ts",
      "core/server.ts",
      "core/upstream.ts",
      "plugins/",
      "storage/postgres.ts",
    ],
  ],
  // What such accessors reach lives until the next full collection; these are made once.
  [
    "gives an object literal accessors",
    /^ {4,}[gs]et \w+\(/m,
    [
      "core/config/reload.ts",
      "policies/sandbox/realm.ts",
      "storage/backlog.ts",
      "storage/journal.ts",
    ],
  ],
  // These write what they read, or have seen that no key is escaped.
  [
    "parses JSON with the engine's own parser",
    /\bJSON\.parse\(/,
    [
      "core/config/show.ts",
      "core/parse_json.ts",
      "core/scan.ts",
      "core/telemetry/recorded_context.ts",
      "policies/sandbox/realm.ts",
      "policies/sandbox/realm_server.ts",
    ],
  ],
  ["gives up types", /(?::|<|\bas|,|=)\s*any\b(?!\s*:)|\bany\[\]/, []],
];

/** What decides and what speaks a wire format is a pure function of its arguments. */
const IMPURE =
  /\bnew Date\(\)|\bDate\.now\b|\bMath\.random\b|\bperformance\b|\bcrypto\b|\bfetch\(|\bDeno\.|\bsetTimeout\b/;
const PURE = ["dialects/", "strategies/"];

const MAX_LINES = 500;
const VAGUE_NAME = /^(?:utils?|helpers?|types?|common|misc|shared)\.ts$/;

const root = new URL("../", import.meta.url);

interface Reference {
  readonly specifier?: string;
  readonly error?: string;
}

/** A module as `deno info --json` lists it; `import type` stands in `type` alone, not in `code`. */
interface Module {
  readonly specifier: string;
  readonly error?: string;
  readonly dependencies?: readonly { readonly code?: Reference; readonly type?: Reference }[];
}

async function modulesOf(entry: string): Promise<readonly Module[]> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: root,
  }).output();
  const { modules }: { modules?: readonly Module[] } = JSON.parse(new TextDecoder().decode(stdout));
  if (!modules) throw new Error(`Cannot read ${entry}: ${new TextDecoder().decode(stderr)}`);
  return modules;
}

/** A path from the top of the repository; `null` for a package. */
function local(specifier: string): string | null {
  return specifier.startsWith(root.href) ? specifier.slice(root.href.length) : null;
}

/** Every local module, and the local modules it imports, types included. */
type Graph = ReadonlyMap<string, readonly string[]>;

async function readGraph(): Promise<Graph> {
  const modules = (await Promise.all(ENTRIES.map(modulesOf))).flat();
  return new Map(modules.flatMap((module) => {
    const from = local(module.specifier);
    if (from === null) return [];
    assert.equal(module.error, undefined, from);
    return [[from, importsOf(module)] as const];
  }));
}

function importsOf({ specifier: from, dependencies = [] }: Module): readonly string[] {
  const references = dependencies.flatMap(({ code, type }) => [code, type]);
  const paths = references.flatMap((reference) => {
    assert.equal(reference?.error, undefined, from);
    return local(reference?.specifier ?? "") ?? [];
  });
  return [...new Set(paths)];
}

const graph = await readGraph();

const folderOf = (path: string) => path.split("/", 1)[0]!;

/** Paths of all TypeScript files under a folder, or the file itself. */
function filesUnder(path: string): readonly string[] {
  if (path.endsWith(".ts")) return [path];
  return [...Deno.readDirSync(new URL(path, root))].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return filesUnder(`${path}/${name}`);
    return name.endsWith(".ts") ? [`${path}/${name}`] : [];
  });
}

const productFiles = [...PRODUCT, "main.ts"].flatMap(filesUnder).sort();
const allFiles = [...productFiles, ...filesUnder("docs"), ...filesUnder("tests")];

const read = (path: string) => Deno.readTextFileSync(new URL(path, root));

/** A file without comments; an address in a text may lose its end. */
function code(path: string): string {
  return read(path).replace(/\/\*[\s\S]*?\*\//g, "").replace(/(?<!:)\/\/.*$/gm, "");
}

const isIn = (path: string, places: readonly string[]) =>
  places.some((place) => place.endsWith("/") ? path.startsWith(place) : path === place);

Deno.test("every import points down", () => {
  const sideways = [...graph].flatMap(([from, paths]) =>
    paths.filter((to) => !MAY_IMPORT[folderOf(from)]?.includes(folderOf(to)))
      .map((to) => `${from} -> ${to}`)
  );
  assert.deepEqual(sideways, []);
});

Deno.test("no import goes round in a circle, types included", () => {
  const done = new Set<string>();
  const walk = (file: string, trail: readonly string[]): void => {
    const circle = [...trail.slice(trail.indexOf(file)), file].join(" -> ");
    assert(!trail.includes(file), `Cannot import in a circle: ${circle}`);
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
});

Deno.test("import graph sees what is imported for its type alone", () => {
  const typeOnly = productFiles.flatMap((from) =>
    [...code(from).matchAll(/^import type .*? from "(\.[^"]*)";$/gm)].map(([, specifier]) =>
      [from, local(new URL(specifier!, new URL(from, root)).href)!] as const
    )
  );
  assert(typeOnly.length > 0);
  const unseen = typeOnly.filter(([from, to]) => graph.get(from)?.includes(to) === false);
  assert.deepEqual(unseen, []);
});

Deno.test("every product file is imported", () => {
  const examples = "policies/examples/";
  const unused = productFiles.filter((file) => !graph.has(file) && !file.startsWith(examples));
  assert.deepEqual(unused, []);
});

Deno.test("every file is small", () => {
  const long = allFiles.map((file) => [file, read(file).split("\n").length - 1] as const)
    .filter(([, lines]) => lines > MAX_LINES);
  assert.deepEqual(long, []);
});

Deno.test("every file has a name that says what is in it", () => {
  const name = (path: string) => path.split("/").at(-1)!;
  const wrong = (path: string) =>
    VAGUE_NAME.test(name(path)) || !/^[a-z0-9]+(?:_[a-z0-9]+)*\.ts$/.test(name(path));
  assert.deepEqual(allFiles.filter(wrong), []);
});

for (const [does, pattern, places] of ONLY) {
  const where = places.length > 0 ? `but ${places.join(", ")}` : "at all";
  Deno.test(`no product file ${where} ${does}`, () => {
    const found = productFiles.filter((path) => !isIn(path, places) && pattern.test(code(path)));
    assert.deepEqual(found, []);
  });
}

Deno.test("dialects and strategies are pure", () => {
  const found = productFiles.filter((path) => isIn(path, PURE) && IMPURE.test(code(path)));
  assert.deepEqual(found, []);
});

Deno.test("top level of the repository is what a reader expects", () => {
  const ignored = ignoredNames();
  const found = [...Deno.readDirSync(root)].map(({ name }) => name)
    .filter((name) => !name.startsWith(".") && !ignored.some((pattern) => pattern.test(name)));
  assert.deepEqual(found.sort(), TOP_LEVEL.toSorted());
});

/** Names that git ignores at the top. */
function ignoredNames(): readonly RegExp[] {
  const patterns = read(".gitignore").split("\n").map((line) =>
    line.replace(/^\/|\/$/g, "").trim()
  );
  return patterns.filter((line) => line !== "" && !line.startsWith("#")).map((line) =>
    new RegExp(`^${line.split("*").map((text) => RegExp.escape(text)).join(".*")}$`)
  );
}
