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
import { type Running, spawn, startConfigured, TOKEN, writeConfig } from "./processes.ts";

const STREAMS = 512;

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

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
  const spread = `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`;
  console.log(
    `unary chat to messages, 16 connections: rps ratio to pass-through ${
      median(ratios).toFixed(2)
    } (${spread}), to reach 0.75`,
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
  finish: { reason: "tool_calls", raw: null },
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

interface Stream {
  /** From the request to the first delta, ms. */
  readonly firstMs: number;
  readonly complete: boolean;
}

/** Many slow streams at once, straight and over the bridge; they begin one after the other. */
async function concurrent(gateway: Running, upstream: Running): Promise<void> {
  const straight = rawRequest(`${upstream.url}/v1/messages`, {}, '{"model":"slow"}');
  const bridged = rawRequest(
    `${gateway.url}/v1/chat/completions`,
    { authorization: `Bearer ${TOKEN}` },
    JSON.stringify({
      model: "slow",
      stream: true,
      messages: [{ role: "user", content: "Tell me something" }],
    }),
  );
  await many(bridged);
  const added: number[] = [];
  let complete = 0;
  for (let round = 0; round < 3; round++) {
    const direct = await many(straight);
    const over = await many(bridged);
    const p50 = (streams: readonly Stream[]) => median(streams.map(({ firstMs }) => firstMs));
    added.push(p50(over) - p50(direct));
    complete += over.filter((stream) => stream.complete).length;
  }
  console.log(
    `${STREAMS} bridged streams at once: ${complete} of ${3 * STREAMS} complete, first delta ` +
      `${median(added).toFixed(2)} ms later (p50), to reach 1`,
  );
}

/** A stream lasts 1,300 ms; after as long as that all of them run. */
async function many(request: ReturnType<typeof rawRequest>): Promise<Stream[]> {
  const running: Promise<Stream>[] = [];
  const started = performance.now();
  while (running.length < STREAMS) {
    const due = (performance.now() - started) / 2.5;
    while (running.length < Math.min(STREAMS, due)) running.push(streamOnce(request));
    await new Promise((go) => setTimeout(go, 2));
  }
  return await Promise.all(running);
}

const decoder = new TextDecoder();

async function streamOnce(request: ReturnType<typeof rawRequest>): Promise<Stream> {
  using connection = await Deno.connect(request);
  connection.setNoDelay(true);
  const started = performance.now();
  await connection.write(request.bytes);
  const buffer = new Uint8Array(16_384);
  let firstMs = NaN;
  let deltas = 0;
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return { firstMs, complete: false };
    const text = decoder.decode(buffer.subarray(0, count));
    if (text.includes("some words")) {
      deltas += text.split("some words").length - 1;
      if (Number.isNaN(firstMs)) firstMs = performance.now() - started;
    }
    if (text.endsWith("0\r\n\r\n")) return { firstMs, complete: deltas === 64 };
  }
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
    if (!only || only === "concurrent") await concurrent(gateway, upstream);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
