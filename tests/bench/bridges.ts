import type { ChatResponse, StreamEvent } from "@/core/chat.ts";
import { eventsOf } from "@/core/chat_events.ts";
import type { Dialect } from "@/core/dialect.ts";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import { stepAll } from "@/core/stream.ts";
import { createStreamTranslator } from "@/core/stream_translator.ts";
import { lowerTools } from "@/core/tool_table.ts";
import { tokenDigestHex } from "@/core/tokens.ts";
import type { SseFrame } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { chatRequestOf } from "../builders.ts";
import { load, rawRequest } from "./load.ts";
import { median, spread } from "./measure.ts";
import { type Running, spawn, startConfigured, TOKEN, writeConfig } from "./processes.ts";
import { streamsAtOnce } from "./streams_at_once.ts";

/** Streams at once: as many as the target names, and as many as leave two slow cores some room. */
const CONCURRENT = [512, 128] as const;

function configText(upstream: string): string {
  const target = (name: string, dialect: DialectName, model: string) => `
  ${name}:
    targets:
      - provider: ${dialect}
        model: ${model}
        inbound_dialects: [openai-chat, openai-responses, anthropic]`;
  return `server: { listen: "127.0.0.1:0" }
providers:
  openai-chat: { base_url: "${upstream}/v1", dialect: openai-chat, api_key: no-secret }
  anthropic: { base_url: "${upstream}", dialect: anthropic, api_key: no-secret }
models:${target("own", "openai-chat", "bench")}${target("bridged", "anthropic", "bench")}${
    target("slow", "anthropic", "slow")
  }
callers:
  - { id: bench, token_sha256: ${tokenDigestHex(TOKEN)}, allow: [own, bridged, slow] }
`;
}

/** Unary Chat calls to a Messages target against the same calls to a Chat target. */
async function unary(gateway: Running): Promise<void> {
  const request = (model: string) =>
    rawRequest(
      `${gateway.url}/v1/chat/completions`,
      { authorization: `Bearer ${TOKEN}` },
      JSON.stringify({ model, messages: [{ role: "user", content: "Tell me something short" }] }),
    );
  const plan = { connections: 16, calls: 6_000 };
  for (const model of ["own", "bridged"]) await load(request(model), { ...plan, calls: 3_000 });
  const ratios: number[] = [];
  for (let round = 0; round < 7; round++) {
    const own = await load(request("own"), plan);
    const bridged = await load(request("bridged"), plan);
    ratios.push(bridged.rps / own.rps);
  }
  console.log(
    `unary chat to messages, 16 connections: rps ratio to pass-through ${
      median(ratios).toFixed(2)
    } (${spread(ratios)}), to reach 0.75`,
  );
}

/** A reply of some length: reasoning, text and a call, in small deltas. */
const REPLY: ChatResponse = {
  id: "x1",
  model: "bench",
  createdAt: 1,
  parts: [
    { type: "reasoning", text: "thinking about it ".repeat(40), summary: true, extra: {} },
    { type: "text", text: "a reply of some words ".repeat(60), extra: {} },
    {
      type: "tool_call",
      id: "call_1",
      name: "edit",
      form: "function",
      input: JSON.stringify({ path: "a.ts", text: "const a = 1;\n".repeat(50) }),
      extra: {},
    },
  ],
  finish: { reason: "tool_calls" },
  usage: { input: 30, output: 400, cachedInput: 0, cacheWrite: 0, image: null, reasoning: 90 },
  extra: {},
};

/** The reply as a provider of a dialect streams it, about ten characters at a time. */
function streamOf(dialect: Dialect): readonly SseFrame[] {
  const request = chatRequestOf({ stream: true, includeUsage: true });
  const events = [...eventsOf(REPLY)].flatMap(inPieces);
  return stepAll(events, dialect.encodeStream({ callId: "0".repeat(32), request }));
}

function inPieces(event: StreamEvent): StreamEvent[] {
  if (event.type !== "part_delta") return [event];
  return (event.text.match(/[\s\S]{1,10}/g) ?? []).map((text) => ({ ...event, text }));
}

/** Reads and writes the frames of a stream, pair by pair. */
function frames(): void {
  for (const target of DIALECT_NAMES) {
    const stream = streamOf(dialects.get(target));
    for (const caller of DIALECT_NAMES.filter((name) => name !== target)) {
      const rounds = Array.from({ length: 60 }, () => frameUs(target, caller, [stream]));
      console.log(
        `frames ${target} to ${caller}: ${median(rounds).toFixed(2)} us a frame, to reach 10`,
      );
    }
  }
}

function frameUs(
  target: DialectName,
  caller: DialectName,
  streams: readonly (readonly SseFrame[])[],
): number {
  const from = dialects.get(target);
  const request = chatRequestOf({ stream: true });
  let count = 0;
  const started = performance.now();
  for (let turn = 0; turn < 20; turn++) {
    for (const stream of streams) {
      const translator = createStreamTranslator({
        note() {},
        decoder: from.decodeStream(),
        restore: lowerTools(request, from.toolLimits).restoreStream(),
        encoder: dialects.get(caller).encodeStream({ callId: "0".repeat(32), request }),
        createdAt: 1,
        estimatedInput: 1,
        usage: () => ({
          input: 1,
          output: 1,
          cachedInput: 0,
          cacheWrite: 0,
          image: 0,
          reasoning: 0,
        }),
      });
      for (const frame of stream) translator.write(frame);
      translator.end();
      count += stream.length;
    }
  }
  return (performance.now() - started) * 1_000 / count;
}

if (import.meta.main) {
  const dir = await Deno.makeTempDir({ prefix: "pointsman-bench-" });
  try {
    await using upstream = await spawn([
      "--no-remote",
      "--allow-net",
      new URL("./bridge_upstream.ts", import.meta.url).pathname,
    ]);
    const config = await writeConfig(configText(upstream.url), dir);
    await using gateway = await startConfigured(config);
    const [only] = Deno.args;
    if (!only || only === "frames") frames();
    if (!only || only === "unary") await unary(gateway);
    for (const count of CONCURRENT) {
      if (!only || only === "concurrent") await streamsAtOnce({ gateway, upstream }, count);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
