import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { DIALECTS, TOKEN } from "../gateway.ts";
import deno from "../../deno.json" with { type: "json" };
import npm from "./npm/package.json" with { type: "json" };
import { at, blocksOf, pageText } from "./page.ts";
import { startWorld } from "./world.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const GREETING = "Good day — 青.";
const turn = () => [{ type: "text" as const, text: GREETING }];

/** Runs a command to its end and gives what it printed. */
async function run(command: string, args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
  const decoder = new TextDecoder();
  const [said, complained] = [decoder.decode(stdout), decoder.decode(stderr)];
  assert.equal(code, 0, complained);
  return said;
}

Deno.test("pages name the versions that were tried", () => {
  const agents = npm.dependencies;
  assert.match(pageText("codex.md"), new RegExp(`Codex CLI ${agents["@openai/codex"]} `));
  assert.match(
    pageText("claude-code.md"),
    new RegExp(`Claude Code ${agents["@anthropic-ai/claude-code"]} `),
  );
  const sdks = pageText("sdks.md").replace(/\s+/g, " ");
  for (
    const name of [
      "openai",
      "@anthropic-ai/sdk",
      "ai",
      "@ai-sdk/openai",
      "@ai-sdk/anthropic",
    ] as const
  ) {
    const version = deno.imports[name].slice(`npm:${name}@`.length);
    assert(sdks.includes(`\`${name}\` ${version}`), name);
  }
});

Deno.test("command of codex.md fetches the catalog", async () => {
  await using world = await startWorld("openai-responses", turn);
  const [, command] = blocksOf("codex.md", "sh").map((block) => at(world.gateway.url, block));
  const fetching = command!.replace(/-o \S+/, "-o -");
  const said = await run("sh", ["-euc", fetching], { POINTSMAN_TOKEN: TOKEN });
  assert.equal(JSON.parse(said).models[0].slug, "fast");
});

for (const target of DIALECTS) {
  Deno.test(`every command of curl.md works, with ${target}`, async () => {
    await using world = await startWorld(target, turn);
    const [setting, ...commands] = blocksOf("curl.md", "sh").map((block) =>
      at(world.gateway.url, block)
    );
    assert(commands.length > 5);
    for (const command of commands) {
      const said = await run("sh", ["-euc", `${setting}\n${command}`]);
      assert.doesNotMatch(said, /"error":\{/, command);
      const calls = /"(messages|input)":/.test(command) && !command.includes("count_tokens");
      assert.equal(said.includes(GREETING) || /^data: /m.test(said), calls, said);
    }
  });

  Deno.test(`every program of sdks.md works, with ${target}`, async () => {
    await using world = await startWorld(target, turn);
    const programs = blocksOf("sdks.md", "js");
    assert.equal(programs.length, 3);
    for (const program of programs) {
      const path = await Deno.makeTempFile({ suffix: ".mjs" });
      await Deno.writeTextFile(path, at(world.gateway.url, program));
      const args = ["run", `--config=${CONFIG}`, "--frozen", "--no-prompt", "--allow-all", path];
      const said = await run(Deno.execPath(), args, { POINTSMAN_TOKEN: TOKEN });
      await Deno.remove(path);
      const lines = said.trim().split("\n");
      assert(lines.length > 0 && lines.every((line) => line === GREETING), said);
    }
  });
}
