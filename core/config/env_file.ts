import { isObject } from "../json.ts";
import type { Lookup } from "./expand.ts";
import { pathText, type Problem } from "./problem.ts";
import { fileProblem, problemAt } from "./report.ts";
import { readSource, type Sources } from "./sources.ts";
import { readTree } from "./tree.ts";

/** Variables of a file beside the configuration, and what is wrong with it. */
export interface Variables {
  readonly lookup: Lookup;
  readonly problems: readonly Problem[];
}

/** Reads an `env.json`: one flat object, string to string, for its owner's eyes only (mode 0600). */
export function readVariables(file: string, sources: Sources): Variables {
  const none = () => undefined;
  const source = readSource(file, sources);
  if (source === null) return { lookup: none, problems: [] };
  if ("unreadable" in source) {
    return { lookup: none, problems: [fileProblem(file, "unusable", source.unreadable)] };
  }
  const { variables, problems } = parse(file, source.text);
  return {
    lookup: (name) => variables.get(name) || undefined,
    problems: [...insecure(file, source.mode), ...problems],
  };
}

function insecure(file: string, mode: number | null): readonly Problem[] {
  if (mode === null || (mode & 0o077) === 0) return [];
  const bits = (mode & 0o777).toString(8).padStart(4, "0");
  return [
    fileProblem(file, "insecure-file", `expected mode 0600, found ${bits}; run: chmod 600 ${file}`),
  ];
}

function parse(file: string, text: string) {
  const tree = readTree(text);
  const variables = new Map<string, string>();
  const problems = tree.flaws.map((flaw) => problemAt(file, flaw, tree.places));
  if (!tree.broken && !isObject(tree.value)) {
    problems.push(fileProblem(file, "wrong-type", "expected one flat object"));
  }
  for (const [name, value] of isObject(tree.value) ? Object.entries(tree.value) : []) {
    if (typeof value === "string") variables.set(name, value);
    else {
      const [path, offset] = [pathText([name]), tree.places.valueOffset([name])];
      const message = "expected a string";
      problems.push(problemAt(file, { code: "wrong-type", path, offset, message }, tree.places));
    }
  }
  return { variables, problems };
}
