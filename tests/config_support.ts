import { z } from "zod";
import { loadConfig, type LoadResult } from "@/core/config/load.ts";
import type { Parts } from "@/core/config/parts.ts";
import { formatProblem } from "@/core/config/problem.ts";
import type { Sources } from "@/core/config/sources.ts";
import { registry } from "@/core/registry.ts";

/** 2026-11-20T12:00:00Z, the moment of every test. */
export const NOW = Date.UTC(2026, 10, 20, 12);

/** Stand-ins for what the composition root hands in. */
export const parts: Parts = {
  dialects: registry("dialect", [
    {
      name: "openai-chat",
      authScheme: "bearer",
      upstreamUrl: (base: string) => `${base}/chat/completions`,
    },
    {
      name: "openai-responses",
      authScheme: "bearer",
      upstreamUrl: (base: string) => `${base}/responses`,
    },
    {
      name: "anthropic",
      authScheme: "x-api-key",
      upstreamUrl: (base: string) => `${base}/v1/messages`,
    },
  ]),
  strategies: registry(
    "strategy",
    ["static", "failover", "weighted"].map((name) => ({
      name,
      options: z.strictObject({}),
      create: () => () => ({ targetIndex: 0 }),
    })),
  ),
  builtins: registry("builtin upstream", [
    { name: "echo", serves: (model: string) => /^echo(-json|-slow-\d+ms)?$/.test(model) },
  ]),
};

/** Files and variables that exist only in a test. */
export interface Given {
  readonly env?: Readonly<Record<string, string>>;
  /** Text of `env.json`. */
  readonly envFile?: string;
  readonly envMode?: number;
}

/** Sources that hold one config file in the folder of the process. */
export function sources(yaml: string, given: Given = {}): Sources {
  return {
    now: () => NOW,
    env: (name) => given.env?.[name],
    readFile(path) {
      if (path === "config.yaml") return { text: yaml, mode: 0o100644 };
      if (path !== "env.json" || given.envFile === undefined) return null;
      return { text: given.envFile, mode: 0o100000 | (given.envMode ?? 0o600) };
    },
  };
}

/** Loads a text as `config.yaml`. */
export function load(yaml: string, given: Given = {}): LoadResult {
  return loadConfig("config.yaml", sources(yaml, given), parts);
}

/** Loads a text that has no errors. */
export function loaded(yaml: string, given: Given = {}): LoadResult & { ok: true } {
  const result = load(yaml, given);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join("\n"));
  return result;
}

/** The lines that are printed about a text. */
export function problems(yaml: string, given: Given = {}): string[] {
  return load(yaml, given).problems.map(formatProblem);
}

/** The smallest configuration there is, in one line less than a test adds. */
export const BASE = `providers:
  echo: { base_url: "builtin:echo", dialect: openai-chat }
models:
  demo: { targets: [{ provider: echo, model: echo }] }
callers:
  - { id: ci, token_sha256: ${"ab".repeat(32)}, allow: [demo] }
`;
