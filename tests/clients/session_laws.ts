import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { type Json, objectOrEmpty } from "@/core/json.ts";
import { assertStreamGrammar, readFrames } from "../stream_grammar.ts";
import type { Agent, Run } from "./agent.ts";
import type { Heard } from "./heard.ts";
import type { World } from "./world.ts";

/** What holds for every session, whatever it was about. */
export async function assertLaws(world: World, agent: Agent): Promise<void> {
  assertPassed(world, agent);
  await assertAccounted(world, agent);
  assertSchemas(world);
  assertForeignNothing(world, agent);
}

/** The agent ended well, and said what the model said last. */
export function assertEnded(
  { model, gateway }: World,
  { code, output }: Run,
  closing: string,
): void {
  const told = `${output}\n${gateway.logs.slice(0, 3).join("\n")}`;
  assert.deepEqual(model.faults, [], told);
  assert.equal(code, 0, told);
  assert(output.includes(JSON.stringify(closing).slice(1, -1)), told);
}

/** What the agent got is a stream of its own dialect, in every turn. */
function assertPassed({ relay, model }: World, { dialect, path }: Agent): void {
  const calls = relay.passed.filter(({ method }) => method === "POST");
  assert.equal(calls.length, model.heard.length);
  for (const call of calls) {
    assert.deepEqual([call.path, call.status], [path, 200]);
    assert.match(call.contentType, /^text\/event-stream/);
    assertStreamGrammar(dialect, readFrames(call.response));
  }
}

/** Every call has its row, with what the model said of it. */
async function assertAccounted(
  { gateway, model }: World,
  { name, dialect }: Agent,
): Promise<void> {
  const rows = await gateway.usageRows();
  assert.equal(rows.length, model.usage.length);
  for (const [index, { input, output, reasoning }] of model.usage.entries()) {
    const row = rows[index]!;
    const target = model.heard[index]!.dialect;
    assert.deepEqual([row["status"], row["error"], row["client"]], [200, "", name]);
    assert.deepEqual([row["inbound_dialect"], row["target_dialect"]], [dialect, target]);
    assert.equal(row["bridge"], dialect === target ? null : `${dialect}>${target}`);
    assert.deepEqual(
      [
        row["usage_source"],
        row["input_tokens"],
        row["output_tokens"],
        row["reasoning_tokens"] ?? 0,
      ],
      ["upstream", input, output, reasoning],
    );
    assert.equal(row["total_cost_nusd"], input * 1_000 + output * 2_000);
  }
}

/** Every schema of a tool arrives as the client wrote it; one of free text has none of its own. */
export function assertSchemas({ model, relay }: World): void {
  const requests = relay.passed.filter(({ method }) => method === "POST");
  for (const [index, { ask }] of model.heard.entries()) {
    for (const { type, name, schema } of ask.tools) {
      if (type === "custom" || name === "apply_patch") continue;
      assert(requests[index]!.request.includes(JSON.stringify(schema)), name);
    }
  }
}

/** Words of other dialects that a provider would refuse or misread. */
const FOREIGN: Readonly<Record<DialectName, RegExp>> = {
  "openai-chat": /"cache_control"|"signature"|"encrypted_content"|"input_schema"/,
  "openai-responses": /"cache_control"|"signature"|"anthropic:|"openai-chat:|"input_schema"/,
  "anthropic":
    /"prompt_cache_|"encrypted_content"|"parameters":|"(anthropic|openai-chat):|"namespace"/,
};

/** Nothing crosses a bridge in words of the other side. */
function assertForeignNothing({ model }: World, agent: Agent): void {
  for (const { dialect, body } of model.heard) {
    if (dialect === agent.dialect) continue;
    // Inside texts an agent may say what it likes.
    const bare = JSON.stringify(
      body,
      (key, value) => /^(text|description)$/.test(key) ? "" : value,
    );
    assert.doesNotMatch(bare, FOREIGN[dialect]);
  }
}

/** Every request of one run begins with the turns of the one before, so that a provider can cache them. */
export function assertPrefixes(heard: readonly Heard[]): void {
  const turns = heard.map(turnsOf);
  for (const [index, earlier] of turns.slice(0, -1).entries()) {
    assert.deepEqual(turns[index + 1]!.slice(0, earlier.length), earlier);
  }
}

/** Turns without cache markers: agents move them along, and write a lone text as a list to hold one. */
function turnsOf({ body }: Heard): readonly string[] {
  const all = [body["system"], body["tools"], ...[body["messages"] ?? body["input"]].flat()];
  return all.map((turn) =>
    JSON.stringify(turn, (key, value) => isMarker(key) ? undefined : bare(value))
  );
}

const isMarker = (key: string) => key === "cache_control" || key === "prompt_cache_breakpoint";

function bare(value: Json): Json {
  if (!Array.isArray(value) || value.length !== 1) return value;
  const { text } = objectOrEmpty(value[0]);
  return text ?? value;
}
