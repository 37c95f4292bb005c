import { basename, dirname } from "node:path";
import type { Finding } from "./diagnose.ts";
import type { Places } from "./places.ts";
import { pathText, type Problem, type ProblemCode } from "./problem.ts";
import type { Flaw } from "./tree_reader.ts";

/** A problem with a file as a whole. */
export function fileProblem(file: string, code: ProblemCode, message: string): Problem {
  return problemAt(file, { code, path: "", offset: 0, message }, {
    position: () => ({ line: 1, column: 1 }),
  });
}

/** Gives a flaw its place in a file. */
export function problemAt(
  file: string,
  { code, path, message, offset }: Flaw,
  places: Pick<Places, "position">,
): Problem {
  return {
    severity: "error",
    code,
    path,
    file: shownFile(file),
    ...places.position(offset),
    message,
    suggestion: null,
  };
}

/** Gives a finding its place in a file. */
export function problemOf(file: string, finding: Finding, places: Places): Problem {
  const { code, path, message, suggestion = null } = finding;
  const offset = finding.at === "key" ? places.keyOffset(path) : places.valueOffset(path);
  return {
    ...problemAt(file, { code, path: pathText(path), message, offset }, places),
    suggestion,
  };
}

/** A path as messages show it: `./config.yaml` is `config.yaml`. */
export function shownFile(file: string): string {
  return dirname(file) === "." ? basename(file) : file;
}
