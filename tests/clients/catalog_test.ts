import assert from "node:assert/strict";
import { join } from "node:path";
import { type JsonObject, objectOrEmpty } from "@/core/json.ts";
import { codexCatalog } from "@/dialects/openai_responses/codex_catalog.ts";
import { objectsOf } from "@/plugins/echo/ask.ts";
import { programOf } from "./installed.ts";

const PLAIN = {
  id: "plain",
  created: 1,
  displayName: "plain",
  notes: null,
  contextTokens: null,
  maxOutputTokens: null,
  reasoning: null,
  images: false,
  tools: false,
  parallelToolCalls: false,
};
const FULL = {
  ...PLAIN,
  id: "full",
  displayName: "Full",
  notes: "Takes everything",
  contextTokens: 200_000,
  reasoning: {
    efforts: ["minimal", "low", "medium", "high", "xhigh"],
    defaultEffort: "medium",
    summaries: true,
  },
  images: true,
  tools: true,
  parallelToolCalls: true,
};

/** Keys without which Codex refuses the file. */
const REQUIRED = [
  "base_instructions",
  "display_name",
  "experimental_supported_tools",
  "priority",
  "shell_type",
  "slug",
  "support_verbosity",
  "supported_in_api",
  "supported_reasoning_levels",
  "truncation_policy",
  "visibility",
];

interface Reading {
  readonly models: readonly JsonObject[] | null;
  readonly told: string;
}

/** What Codex makes of a catalog; no models when it refuses the file. */
async function read(models: readonly JsonObject[]): Promise<Reading> {
  const home = await Deno.makeTempDir();
  try {
    const path = join(home, "models.json");
    await Deno.writeTextFile(path, JSON.stringify({ models }));
    const { code, stdout, stderr } = await new Deno.Command(programOf("codex"), {
      args: ["debug", "models", "-c", `model_catalog_json="${path}"`],
      clearEnv: true,
      env: { HOME: home, CODEX_HOME: home },
      stdin: "null",
      signal: AbortSignal.timeout(30_000),
    }).output();
    const decoder = new TextDecoder();
    const known = code === 0
      ? objectsOf(objectOrEmpty(JSON.parse(decoder.decode(stdout)))["models"])
      : null;
    return { models: known, told: decoder.decode(stderr) };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

const written = objectsOf(codexCatalog.encode([FULL, PLAIN])["models"]);

Deno.test("codex reads every key of its catalog as it was meant", async () => {
  const { models, told } = await read(written);
  assert(models, told);
  assert.deepEqual(models.map(({ slug }) => slug), ["full", "plain"]);
  // Codex takes these and tells them otherwise, or not at all.
  const NOT_TOLD = [
    "shell_type",
    "supports_parallel_tool_calls",
    "supports_reasoning_summary_parameter",
  ];
  for (const [index, model] of written.entries()) {
    for (const [key, value] of Object.entries(model)) {
      if (!NOT_TOLD.includes(key)) assert.deepEqual(models[index]![key], value, key);
    }
  }
});

Deno.test("codex refuses its catalog without any of the required keys, and for no other", async () => {
  const [full] = written;
  const refused: string[] = [];
  for (const key of Object.keys(full!)) {
    const rest = Object.fromEntries(Object.entries(full!).filter(([name]) => name !== key));
    const { models, told } = await read([rest]);
    if (models) continue;
    assert.match(told, new RegExp(`\`${key}\``));
    refused.push(key);
  }
  assert.deepEqual(refused.sort(), REQUIRED);
});
