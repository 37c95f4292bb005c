/** Kinds of problems, for programs that read `--json`. */
export type ProblemCode =
  | "yaml-syntax"
  | "unknown-key"
  | "missing-key"
  | "wrong-type"
  | "out-of-range"
  | "not-one-of"
  | "bad-format"
  | "unset-variable"
  | "duplicate"
  | "unknown-reference"
  | "conflict"
  | "unusable"
  | "insecure-file";

/** Something wrong with a configuration. It never holds a secret or an expanded value. */
export interface Problem {
  readonly severity: "error" | "warning";
  readonly code: ProblemCode;
  /** Where in the configuration, as `models.fast.targets[0]`; empty for the file itself. */
  readonly path: string;
  /** As given on the command line. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
  readonly message: string;
  /** What was probably meant. */
  readonly suggestion: string | null;
}

/** Steps from the root of a configuration to a value. */
export type ConfigPath = readonly (string | number)[];

const MAX_PROBLEMS = 100;

/**
 * Writes a path: list items as `[n]`, keys that hold a dot quoted.
 *
 * @example Usage
 * ```ts
 * import { pathText } from "@/core/config/problem.ts";
 *
 * const path = pathText(["models", "gpt-4.1", "targets", 0]);
 * if (path !== 'models."gpt-4.1".targets[0]') throw new Error("Cannot write the path");
 * ```
 */
export function pathText(path: ConfigPath): string {
  return path.map((step, index) => {
    if (typeof step === "number") return `[${step}]`;
    const name = /[.[\]"\s]/.test(step) || step === "" ? JSON.stringify(step) : step;
    return index === 0 ? name : `.${name}`;
  }).join("");
}

/** The problems by position, without repetitions; `files` gives the order of files. */
export function sortProblems(
  problems: readonly Problem[],
  files: readonly string[],
): readonly Problem[] {
  const unique = new Map(problems.map((problem) => [formatProblem(problem), problem]));
  return [...unique.values()].sort((a, b) =>
    files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column
  );
}

/** One line: `config.yaml:23:9: models.fast.targets[0].wieght: unknown key; did you mean "weight"?` */
export function formatProblem(problem: Problem): string {
  const { file, line, column, path, message, suggestion } = problem;
  const warning = problem.severity === "warning" ? "warning: " : "";
  const hint = suggestion === null ? "" : `; did you mean "${suggestion}"?`;
  return `${file}:${line}:${column}: ${warning}${path === "" ? "" : `${path}: `}${message}${hint}`;
}

/** All problems, a line each and at most 100, then a line with the totals. */
export function formatProblems(problems: readonly Problem[]): string {
  const lines = problems.slice(0, MAX_PROBLEMS).map(formatProblem);
  return [...lines, totals(problems)].join("\n");
}

/** `4 errors, 0 warnings` */
export function totals(problems: readonly Problem[]): string {
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const warnings = problems.length - errors;
  return `${count(errors, "error")}, ${count(warnings, "warning")}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** `a`, `a or b`, `a, b or c` */
export function alternatives(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
