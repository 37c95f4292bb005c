import { dirname, join, resolve } from "node:path";
import type { z } from "zod";
import { nextTurn } from "../wait.ts";
import type { Snapshot } from "../snapshot.ts";
import { checkAll } from "./check.ts";
import { contractErrors, contractWarnings } from "./check_contracts.ts";
import { compile } from "./compile.ts";
import { diagnose, type Finding } from "./diagnose.ts";
import { readVariables } from "./env_file.ts";
import { expandTree, type Expansion, scalarOf } from "./expand.ts";
import type { CompileFacts, Parts } from "./parts.ts";
import { type ConfigPath, pathText, type Problem, sortProblems } from "./problem.ts";
import { fileProblem, problemAt, problemOf, shownFile } from "./report.ts";
import { type Config, configSchemaOf } from "./schema.ts";
import { readSource, type Sources } from "./sources.ts";
import { type ConfigTree, readTree } from "./tree.ts";
import { readTreeAside } from "./tree_aside.ts";
import type { Draft } from "./tree_reader.ts";
import { warnings } from "./warnings.ts";

/** What came of reading a configuration. */
export type LoadResult =
  | {
    readonly ok: true;
    readonly snapshot: Snapshot;
    /** As written, defaults filled in; it holds secrets. */
    readonly config: Config;
    /** Warnings only. */
    readonly problems: readonly Problem[];
    /** Absolute paths that were looked at, present or not. */
    readonly files: readonly string[];
  }
  | {
    readonly ok: false;
    readonly problems: readonly Problem[];
    readonly files: readonly string[];
  };

const MISSING = "the file does not exist; --config names another, and " +
  '"pointsman serve --quickstart" writes ./config.yaml to begin with';

/** Reads, expands, checks and compiles a configuration. Problems name `path` as it is given. */
export function loadConfig(path: string, sources: Sources, parts: Parts): LoadResult {
  const written = openConfig(path, sources, parts);
  if ("ok" in written) return written;
  const steps = judge(written, readTree(written.text));
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The same for a thread that serves calls meanwhile: it reads nothing long, and lets them in between steps. */
export async function loadConfigAside(
  path: string,
  sources: Sources,
  parts: Parts,
): Promise<LoadResult> {
  const written = openConfig(path, sources, parts);
  if ("ok" in written) return written;
  const steps = judge(written, await readTreeAside(written.text));
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await nextTurn();
  }
}

/** A configuration as it is written, with what else is known. */
interface Written {
  readonly path: string;
  readonly envPath: string;
  readonly text: string;
  readonly facts: CompileFacts;
  /** Of `env.json`. */
  readonly problems: readonly Problem[];
  /** Absolute paths that were looked at. */
  readonly files: readonly string[];
}

function openConfig(
  path: string,
  sources: Sources,
  parts: Parts,
): Written | LoadResult & { readonly ok: false } {
  const envPath = join(dirname(path), "env.json");
  const files = [resolve(path), resolve(envPath)];
  const variables = readVariables(envPath, sources);
  const source = readSource(path, sources) ?? { unreadable: MISSING };
  if ("unreadable" in source) {
    const missing = fileProblem(path, "unusable", source.unreadable);
    return { ok: false, problems: [...variables.problems, missing], files };
  }
  const facts: CompileFacts = {
    ...parts,
    now: sources.now(),
    folder: dirname(resolve(path)),
    lookup: (name) => sources.env(name) || variables.lookup(name),
  };
  return { path, envPath, text: source.text, facts, problems: variables.problems, files };
}

/** What is to be said of a configuration, in steps none of which takes long. */
function* judge(written: Written, tree: ConfigTree): Generator<void, LoadResult> {
  const { path, envPath, facts, files } = written;
  const { config, problems } = yield* check(path, tree, facts);
  const found = [...written.problems, ...problems];
  const isSound = found.every(({ severity }) => severity !== "error");
  yield;
  const snapshot = config && isSound ? compile(config, facts) : null;
  if (snapshot) found.push(...contractProblems(path, tree, snapshot));
  const all = sortProblems(found, [path, envPath].map(shownFile));
  if (!config || !snapshot || all.some(({ severity }) => severity === "error")) {
    return { ok: false, problems: all, files };
  }
  return { ok: true, snapshot, config, problems: all, files };
}

/** What only targets that are put together can tell. */
function contractProblems(file: string, tree: ConfigTree, snapshot: Snapshot): readonly Problem[] {
  const told = (finding: Finding) => problemOf(file, finding, tree.places);
  return [
    ...[...contractErrors(snapshot)].map(told),
    ...[...contractWarnings(snapshot)].map((finding) => ({
      ...told(finding),
      severity: "warning" as const,
    })),
  ];
}

interface Checked {
  readonly config: Config | null;
  readonly problems: readonly Problem[];
}

/** Everything that can be said about a text; the configuration is there when the schema took it. */
function* check(
  file: string,
  tree: ConfigTree,
  facts: CompileFacts,
): Generator<void, Checked> {
  const expansion = expandTree(tree, (name) => facts.lookup(name));
  const flaws = [...tree.flaws, ...expansion.flaws];
  const problems = flaws.map((flaw) => problemAt(file, flaw, tree.places));
  if (tree.broken) return { config: null, problems };
  yield;
  const { config, findings } = parse(tree, expansion, configSchemaOf(facts.strategies));
  yield;
  findings.push(...checkAll(expansion.value, facts));
  const reported = new Set(flaws.map(({ path }) => path));
  const known = findings.filter(({ path }) => !reported.has(pathText(path)));
  problems.push(...known.map((finding) => problemOf(file, finding, tree.places)));
  const clean = problems.every(({ severity }) => severity !== "error");
  if (config && clean) {
    const warned = warnings(config, { ...facts, unsetKeys: expansion.unsetKeys });
    problems.push(
      ...warned.map((finding) => ({
        ...problemOf(file, finding, tree.places),
        severity: "warning" as const,
      })),
    );
  }
  return { config, problems };
}

/** Runs the schema; a value that is exactly one reference takes the type its key asks for. */
function parse(
  tree: ConfigTree,
  { value, references }: Expansion,
  schema: z.ZodType<Config>,
): { config: Config | null; findings: Finding[] } {
  for (let round = 0;; round++) {
    // To compile a parser takes longer than to run it once.
    const result = schema.safeParse(value, { jitless: true });
    if (result.success) return { config: result.data, findings: [] };
    const typed = result.error.issues.filter(({ path }) =>
      references.has(pathText(path as ConfigPath)) && retype(value, path as ConfigPath)
    );
    if (typed.length > 0 && round < 10) continue;
    return {
      config: null,
      findings: [...diagnose(schema, result.error.issues, tree.value)],
    };
  }
}

/** Reads the text at a path as YAML would; tells whether that changed it. */
function retype(root: Draft, path: ConfigPath): boolean {
  const parent = path.slice(0, -1).reduce<Draft | undefined>(
    (value, step) => (value as { [key: string]: Draft } | undefined)?.[step],
    root,
  ) as { [key: string | number]: Draft } | undefined;
  const last = path.at(-1);
  const value = last === undefined ? undefined : parent?.[last];
  if (!parent || last === undefined || typeof value !== "string") return false;
  parent[last] = scalarOf(value);
  return typeof parent[last] !== "string";
}
