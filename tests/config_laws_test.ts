import assert from "node:assert/strict";
import { parse } from "yaml";
import { formatProblems } from "@/core/config/problem.ts";
import { load } from "./config_support.ts";

const EXAMPLE = Deno.readTextFileSync(new URL("../config.example.yaml", import.meta.url));
const SECRETS = { ACME_KEY: "hunter2", CLAUDIA_KEY: "hunter3" };

/** A result without errors, or problems with a place each; never a secret. */
function holds(yaml: string): void {
  const result = load(yaml, { env: SECRETS });
  const text = formatProblems(result.problems);
  assert.ok(result.ok || result.problems.some(({ severity }) => severity === "error"));
  assert.ok(result.problems.every(({ line, column }) => line >= 1 && column >= 1));
  assert.doesNotMatch(text, /hunter|869c3a11|5f1c0a3e/);
}

Deno.test("config without any one of its lines loads or says why not, and tells no secret", () => {
  const lines = EXAMPLE.split("\n");
  for (const index of lines.keys()) holds(lines.toSpliced(index, 1).join("\n"));
});

Deno.test("config that is cut anywhere loads or says why not, and tells no secret", () => {
  for (let end = 0; end < EXAMPLE.length; end += 37) holds(EXAMPLE.slice(0, end));
});

Deno.test("config with a wrong value anywhere loads or says why not, and tells no secret", () => {
  const root: Node = { root: parse(EXAMPLE) };
  for (const [parent, key] of places(root)) {
    const right = parent[key];
    for (const wrong of [null, "x y", [], {}]) {
      parent[key] = wrong;
      holds(JSON.stringify(root["root"]));
    }
    parent[key] = right;
  }
});

type Node = Record<string, unknown>;

/** Every member and item of a value; of lists only the first two items. */
function* places(node: Node): Iterable<readonly [Node, string]> {
  for (const [key, value] of Object.entries(node)) {
    if (Array.isArray(node) && Number(key) > 1) continue;
    yield [node, key];
    if (typeof value === "object" && value !== null) yield* places(value as Node);
  }
}
