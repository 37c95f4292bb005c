import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { DIALECTS, TOKEN } from "../gateway.ts";
import { assertStreamGrammar, readFrames } from "../stream_grammar.ts";
import type { Heard } from "./heard.ts";
import type { Said } from "./model.ts";
import type { Passed, Relay } from "./relay.ts";
import { assertSchemas } from "./session_laws.ts";
import { anthropicClients } from "./sdk_anthropic.ts";
import { openaiClients } from "./sdk_openai.ts";
import { vercelClients } from "./sdk_vercel.ts";
import {
  type Client,
  dataUrl,
  INSTRUCTIONS,
  type Outcome,
  type Place,
  REPORT,
  TOOLS,
  type Wish,
} from "./wish.ts";
import { startWorld, type World } from "./world.ts";

const clientsAt = (place: Place): readonly Client[] => [
  ...anthropicClients(place),
  ...openaiClients(place),
  ...vercelClients(place),
];

const THOUGHT = "Two cities — 青, one line.";
const PARIS = { city: 'Paris "\\ é' };
const TOKYO = { city: "東京 🗼" };
/** Enough of a picture: a signature, and every byte there is. */
const PICTURE = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10, ...Array(256).keys()]);

const BREAKING = "Say something and leave";

/** The model's part: it thinks when asked to, calls both tools at once, and then sums up. */
function turn({ ask, body, results, calls, images }: Heard): readonly Said[] {
  if (ask.text === BREAKING) return [{ type: "text", text: "Well, I would" }, { type: "break" }];
  if (ask.schema !== null) return [{ type: "text", text: JSON.stringify(REPORT) }];
  const asked = /"(effort|reasoning_effort|budget_tokens)":/.test(JSON.stringify(body));
  const thought = asked ? [{ type: "reasoning", text: THOUGHT } as const] : [];
  if (ask.tools.length > 0 && results.length === 0) {
    const call = (name: string, input: object) => ({
      type: "call" as const,
      tool: ask.tools.find((tool) => tool.name === name)!,
      input: JSON.stringify(input),
    });
    const intro = { type: "text", text: "Let me look. " } as const;
    return [...thought, intro, call("weather", PARIS), call("clock", TOKYO)];
  }
  const told = calls.map(({ id }) => results.find(({ callId }) => callId === id)?.text);
  const text = `Seen ${images.length}; heard ${told.join(", ") || "nothing"} — 青 🟦.`;
  return [...thought, { type: "text", text }];
}

interface Scene {
  readonly wish: Wish;
  check(outcome: Outcome, world: World, client: Client): void;
}

const last = ({ model }: World) => model.heard.at(-1)!;

const SCENES: Readonly<Record<string, Scene>> = {
  "text": {
    wish: { prompt: "How is it — 青?" },
    check({ text }, world) {
      assert.equal(text, "Seen 0; heard nothing — 青 🟦.");
      assert.equal(last(world).ask.text, "How is it — 青?");
    },
  },
  "reasoning": {
    wish: { prompt: "Think.", reasoning: true },
    check({ text, reasoning }) {
      assert.equal(text, "Seen 0; heard nothing — 青 🟦.");
      if (reasoning !== null) assert.equal(reasoning, THOUGHT);
    },
  },
  "two tools at once": {
    wish: { prompt: "Weather and time?", tools: true },
    check({ text }, world) {
      const said = [TOOLS.weather.run(PARIS), TOOLS.clock.run(TOKYO)];
      assert.equal(text, `Seen 0; heard ${said.join(", ")} — 青 🟦.`);
      assertCalls(world);
    },
  },
  "reasoning between tools": {
    wish: { prompt: "Think: weather and time?", tools: true, reasoning: true },
    check({ text }, world, client) {
      assert.match(text, /heard Paris .*東京/);
      assertCalls(world);
      const [first, second] = world.model.heard.slice(-2);
      if (first!.dialect !== "anthropic" || client.dialect === "openai-chat") return;
      // The signature that was issued comes back to who issued it, and no other.
      assert.equal(second!.signatures.length, 1);
      assert.match(atob(second!.signatures[0]!), /^echo:[0-9a-f]{32}$/);
      assert.deepEqual(second!.reasoning, [THOUGHT]);
    },
  },
  "structured output": {
    wish: { prompt: "A report?", object: true },
    check: ({ object }) => assert.deepEqual(object, REPORT),
  },
  "an image": {
    wish: { prompt: "What is this?", image: PICTURE },
    check({ text }, world) {
      assert.match(text, /^Seen 1; /);
      assert.deepEqual(last(world).images, [dataUrl(PICTURE)]);
    },
  },
};

/** Calls came back under their own ids, with their own arguments. */
function assertCalls(world: World): void {
  const { calls, results } = last(world);
  const ids = world.model.issued.slice(-2);
  assert.deepEqual(calls.map(({ id }) => id), ids);
  assert.deepEqual(calls.map(({ input }) => JSON.parse(input)), [PARIS, TOKYO]);
  assert.deepEqual(results.map(({ callId }) => callId), ids);
}

const NAMES = clientsAt({ url: "http://127.0.0.1", token: TOKEN }).map(({ name }) => name);

for (const name of NAMES) {
  for (const target of DIALECTS) {
    Deno.test(`${name} client works with ${target}`, async (test) => {
      for (const [title, scene] of Object.entries(SCENES)) {
        const { wish, check } = scene;
        await test.step(title, () => play(name, target, scene));
        await test.step(`${title}, in one piece`, () =>
          play(name, target, { wish: { ...wish, unary: true }, check }));
      }
      await test.step("a stream that breaks off", () => breakOff(name, target));
    });
  }
}

/** What a dialect says only when a stream is whole. */
const WHOLE = /\[DONE\]|"message_stop"|"response\.(completed|incomplete)"|"finish_reason":"/;

async function breakOff(name: string, target: DialectName): Promise<void> {
  await using world = await startWorld(target, turn);
  const { gateway, relay } = world;
  await assert.rejects(clientAt(name, relay).grant({ prompt: BREAKING }));
  const [{ response, status }] = relay.passed as [Passed];
  assert.equal(status, 200);
  assert.match(response, /Well, I w/);
  assert.doesNotMatch(response, WHOLE);
  const [row] = await gateway.usageRows();
  assert.deepEqual([row!["error"], row!["partial"]], ["upstream-failed", 1]);
  assert(row!["output_tokens"] > 0, "what was delivered is not free");
}

function clientAt(name: string, { url }: Relay): Client {
  return clientsAt({ url, token: TOKEN }).find((client) => client.name === name)!;
}

async function play(name: string, target: DialectName, { wish, check }: Scene): Promise<void> {
  await using world = await startWorld(target, turn);
  const { model, gateway, relay } = world;
  const client = clientAt(name, relay);
  const outcome = await client.grant(wish);
  assert.deepEqual(model.faults, []);
  check(outcome, world, client);
  for (const { body } of model.heard) {
    assert(JSON.stringify(body).includes(INSTRUCTIONS), "instructions arrive");
  }
  assertSchemas(world);
  const { input, output } = model.usage.at(-1)!;
  assert.deepEqual(outcome.usage, { input, output });
  for (const { response, status } of relay.passed) {
    assert.equal(status, 200);
    if (!wish.unary) assertStreamGrammar(client.dialect, readFrames(response));
  }
  const rows = await gateway.usageRows();
  assert.deepEqual(
    rows.map((row) => [row["status"], row["input_tokens"], row["output_tokens"]]),
    model.usage.map((used) => [200, used.input, used.output]),
  );
}
