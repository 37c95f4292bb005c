import assert from "node:assert/strict";
import { join } from "node:path";
import type { DialectName } from "@/core/dialect_name.ts";
import { type Agent, claudeCode, codex, makeWorkspace, runAgent } from "./agent.ts";
import { againTurn } from "./errand.ts";
import { targetOn } from "./page.ts";
import { startTrap } from "./relay.ts";
import { assertEnded, assertLaws } from "./session_laws.ts";
import { startWorld, type World } from "./world.ts";

const PROMPT = "Read note.txt once more";

/** Every change from one dialect to another, and back to where the conversation has been before. */
const TARGETS: readonly DialectName[] = [
  "anthropic",
  "openai-chat",
  "openai-responses",
  "anthropic",
  "openai-responses",
  "openai-chat",
  "anthropic",
];

for (const agent of [claudeCode, codex]) {
  Deno.test(`${agent.name} goes on with a conversation whose targets change`, async () => {
    await using folder = await makeWorkspace();
    const note = join(folder.work, "note.txt");
    await Deno.writeTextFile(note, "Nothing here is wrong.\n");
    await converse(agent, { dir: folder.dir, note });
  });
}

async function converse(
  agent: Agent,
  { dir, note }: { readonly dir: string; readonly note: string },
): Promise<void> {
  await using world = await startWorld("anthropic", againTurn(PROMPT, note), targetOn(agent.page));
  await using trap = await startTrap();
  const place = { dir, url: world.relay.url, proxy: trap.url };
  for (const [index, target] of TARGETS.entries()) {
    await world.retarget(target);
    const run = await runAgent(agent, PROMPT, { ...place, resumed: index > 0 });
    assertEnded(world, run, `Answer ${index + 1}.`);
    assertRemembered(world, index + 1);
  }
  assert.deepEqual(trap.caught, []);
  await assertLaws(world, agent);
}

/** The model hears of all that was, whoever served it, and of no proof but the provider's own. */
function assertRemembered({ model }: World, prompts: number): void {
  const { calls, results, signatures, body, dialect } = model.heard.at(-1)!;
  assert.deepEqual(calls.map(({ id }) => id), model.issued);
  assert.deepEqual(results.map(({ callId }) => callId), model.issued);
  assert(results.every(({ text }) => text.includes("Nothing here is wrong.")));
  for (let turn = 1; turn < prompts; turn++) {
    assert(JSON.stringify(body).includes(`Answer ${turn}.`));
  }
  for (const signature of signatures) {
    if (dialect === "openai-chat") assert.match(signature, /^signed:call_/);
    else assert.match(atob(signature), /^echo:[0-9a-f]{32}$/);
  }
  assert.doesNotMatch(JSON.stringify(body), /"(anthropic:(signature|redacted)|openai-chat:call):/);
}

Deno.test("codex that asks for a WebSocket goes on over HTTP", async () => {
  await using folder = await makeWorkspace();
  const turn = () => [{ type: "text" as const, text: "Hello there." }];
  await using world = await startWorld("openai-responses", turn, targetOn(codex.page));
  await using trap = await startTrap();
  const run = await runAgent(codex, "Hello", {
    dir: folder.dir,
    url: world.gateway.url,
    proxy: trap.url,
    args: ["-c", "model_providers.pointsman.supports_websockets=true"],
  });
  assert.match(run.output, /WebSocket/);
  assertEnded(world, run, "Hello there.");
  assert.equal(world.gateway.rows().length, 1);
});
