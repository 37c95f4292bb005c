import assert from "node:assert/strict";
import { join } from "node:path";
import type { DialectName } from "@/core/dialect_name.ts";
import { DIALECTS, TOKEN } from "../gateway.ts";
import { type Agent, claudeCode, codex, makeWorkspace, runAgent } from "./agent.ts";
import { AFTER, BEFORE, closeTurn, CLOSING, errandTurn, lookTurn, NOBODY } from "./errand.ts";
import type { Heard } from "./heard.ts";
import { signatureOf, type Turn } from "./model.ts";
import { at, blocksOf, targetOn } from "./page.ts";
import { picture } from "./picture.ts";
import { type Relay, startTrap } from "./relay.ts";
import { assertEnded, assertLaws, assertPrefixes } from "./session_laws.ts";
import { startWorld, type World } from "./world.ts";

interface Setup {
  readonly agent: Agent;
  /** The tool it edits with. */
  readonly editor: string;
  /** Words of the agent's command line, made when the gateway runs. */
  readonly args?: (relay: Relay, dir: string) => Promise<readonly string[]>;
}

const SETUPS: Readonly<Record<string, Setup>> = {
  "claude code": { agent: claudeCode, editor: "Edit" },
  "codex": { agent: codex, editor: "exec_command" },
  "codex with its catalog": { agent: codex, editor: "apply_patch", args: fetchCatalog },
};

for (const [name, setup] of Object.entries(SETUPS)) {
  for (const target of DIALECTS) {
    Deno.test(`${name} reads two files, edits one and ends, with ${target}`, () =>
      correct(setup, target));
    Deno.test(`${name} looks at a picture, with ${target}`, () => look(setup, target));
  }
}

/** Fetches the catalog from where the page says, and names it as the page does. */
async function fetchCatalog({ url }: Relay, dir: string): Promise<readonly string[]> {
  const [address] = /http:\S+/.exec(at(url, blocksOf("codex.md", "sh")[1]!)) ?? [];
  const response = await fetch(address!, { headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(response.status, 200);
  const path = join(dir, "models.json");
  await Deno.writeTextFile(path, await response.text());
  const [, naming] = blocksOf("codex.md", "toml");
  return ["-c", naming!.trim().replace("/home/me/.codex/pointsman.json", path)];
}

async function correct(setup: Setup, target: DialectName): Promise<void> {
  await using folder = await makeWorkspace();
  const note = join(folder.work, "note.txt");
  const other = join(folder.work, "other.txt");
  await Deno.writeTextFile(note, `${BEFORE}\n`);
  await Deno.writeTextFile(other, "Nothing here is wrong.\n");
  const turn = errandTurn({ note, other });
  await hold({ ...setup, target, turn, dir: folder.dir, closing: CLOSING }, async (world) => {
    assert.equal(await Deno.readTextFile(note), `${AFTER}\n`);
    assertErrandHeard(world.model.heard, world.model.issued);
    assert.equal(world.model.heard.at(-1)!.calls.at(-1)!.name, setup.editor);
    const rows = await world.gateway.usageRows();
    assert.deepEqual(rows.map((row) => row["tool_call_count"]), [2, 1, 0]);
  });
}

/** The model got back what it said and what the tools did. */
function assertErrandHeard(heard: readonly Heard[], issued: readonly string[]): void {
  assert.equal(heard.length, 3);
  const [, second, third] = heard;
  assert.deepEqual(second!.calls.map(({ id }) => id), issued.slice(0, 2));
  // Tools run side by side, so results come in any order.
  const results = new Map(second!.results.map(({ callId, text }) => [callId, text]));
  assert.equal(results.size, 2);
  assert.match(results.get(issued[0]!) ?? "", /The sky is "green" \\ — naïve 青 🟩\./);
  assert.match(results.get(issued[1]!) ?? "", /Nothing here is wrong\./);
  assert.deepEqual(third!.results.map(({ callId }) => callId).sort(), issued.toSorted());
  assert.deepEqual(third!.calls.map(({ id }) => id), issued);
  if (third!.dialect === "openai-chat") {
    assert.deepEqual(third!.signatures, issued.map(signatureOf), "what signs a call comes back");
  }
  if (third!.dialect !== "anthropic") return;
  const proofs = third!.signatures.map((signature) => atob(signature));
  assert.equal(proofs.length, 2);
  for (const proof of proofs) assert.match(proof, /^echo:[0-9a-f]{32}$/);
}

async function look(setup: Setup, target: DialectName): Promise<void> {
  await using folder = await makeWorkspace();
  const path = join(folder.work, "grey.png");
  await Deno.writeFile(path, picture());
  const turn = lookTurn(path);
  await hold(
    { ...setup, target, turn, dir: folder.dir, closing: "Seen: 1" },
    ({ model, relay }) => {
      const { images } = model.heard.at(-1)!;
      const [, data] = /^data:image\/png;base64,(.+)$/.exec(images[0] ?? "") ?? [];
      assert(data && relay.passed.at(-1)!.request.includes(data), "the agent's own bytes arrive");
    },
  );
}

for (const target of DIALECTS) {
  Deno.test(`codex calls a tool of a namespace, with ${target}`, async () => {
    await using folder = await makeWorkspace();
    const closing = "Nobody was there.";
    const session = { ...SETUPS["codex"]!, target, turn: closeTurn, dir: folder.dir, closing };
    await hold(session, ({ model, relay }) => {
      const { calls, results } = model.heard.at(-1)!;
      const name = target === "openai-responses" ? "close_agent" : "multi_agent_v1__close_agent";
      assert.deepEqual(calls.map((call) => call.name), [name]);
      assert.match(results[0]!.text, new RegExp(NOBODY));
      const said =
        /"name":"close_agent","namespace":"multi_agent_v1"|"namespace":"multi_agent_v1","name":"close_agent"/;
      assert.match(relay.passed.at(-1)!.request, said);
    });
  });
}

interface Session extends Setup {
  /** Dialect of the only target. */
  readonly target: DialectName;
  readonly turn: Turn;
  readonly dir: string;
  /** What the agent says at the end. */
  readonly closing: string;
}

/** Runs an agent to its end and asserts what holds for every session. */
async function hold(
  { agent, args, target, turn, dir, closing }: Session,
  check: (world: World) => void | Promise<void>,
): Promise<void> {
  await using world = await startWorld(target, turn, targetOn(agent.page));
  await using trap = await startTrap();
  const run = await runAgent(agent, "Do what is to be done here", {
    dir,
    url: world.relay.url,
    proxy: trap.url,
    args: await args?.(world.relay, dir) ?? [],
  });
  assertEnded(world, run, closing);
  assert.deepEqual(trap.caught, [], "nothing goes elsewhere");
  await check(world);
  await assertLaws(world, agent);
  assertPrefixes(world.model.heard);
}
