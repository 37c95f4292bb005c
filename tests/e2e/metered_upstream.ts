import type { Behaviour } from "../upstream.ts";
import { asChunk, responseHead } from "../upstream_http.ts";

/** Tokens an upstream reported with one answer. */
interface Reported {
  readonly input: number;
  readonly output: number;
}

/** An upstream's own account of what it sent, by the id it gave each answer. */
export interface Meter {
  readonly behaviour: Behaviour;
  /** What it has sent in full, or as far as it came. */
  readonly sent: ReadonlyMap<string, Reported>;
  /** Ends when a call of this `user` has arrived. */
  arrival(user: string): Promise<void>;
}

/** How a stream of some frames ends: in form, in the middle, or not at all. */
export type StreamEnd = "close" | "done" | "half-frame" | "reset" | "silence";

/** Content of a frame, and the output tokens that are reported for it: more than its bytes suggest. */
const CONTENT = "12345678";
const TOKENS_PER_FRAME = 3;

/**
 * Answers Chat calls, each with usage of its own. A body's `user` may say `<frames>:<ending>`: that many
 * frames of content, each with the usage so far, and then that ending.
 */
export function createMeter(): Meter {
  const sent = new Map<string, Reported>();
  const arrivals = new Map<string, PromiseWithResolvers<void>>();
  const arrived = (user: string) => {
    let arrival = arrivals.get(user);
    if (!arrival) arrivals.set(user, arrival = Promise.withResolvers());
    return arrival;
  };
  let count = 0;
  const behaviour: Behaviour = async (exchange) => {
    const id = `up-${count += 1}`;
    const body = exchange.request.json();
    const user = String(body["user"] ?? "2:done");
    const [frames, ending] = user.split(":");
    arrived(user).resolve();
    const input = 100 + count % 50;
    const usage = (output: number): Reported => {
      sent.set(id, { input, output });
      return { input, output };
    };
    if (body["stream"] !== true) {
      const text = JSON.stringify(whole(id, usage(TOKENS_PER_FRAME * Number(frames))));
      const length = String(text.length);
      const head = { "content-type": "application/json", "content-length": length };
      return await exchange.write(responseHead(200, { ...head, "x-request-id": id }) + text);
    }
    const head = { "content-type": "text/event-stream", "transfer-encoding": "chunked" };
    await exchange.write(responseHead(200, { ...head, "x-request-id": id }));
    for (let frame = 1; frame <= Number(frames); frame += 1) {
      await exchange.write(chunk(delta(id, usage(TOKENS_PER_FRAME * frame))));
    }
    if (ending === "half-frame") await exchange.write(chunk(delta(id).slice(0, 20)));
    if (ending === "reset" || ending === "half-frame") return exchange.reset();
    if (ending === "close") return exchange.close();
    if (ending === "silence") return await exchange.silence();
    await exchange.write(chunk(END) + "0\r\n\r\n");
  };
  return { behaviour, sent, arrival: (user) => arrived(user).promise };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const chunk = (text: string) => decoder.decode(asChunk(encoder.encode(text)));

const END =
  `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n` +
  "data: [DONE]\n\n";

function usageOf({ input, output }: Reported) {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}

function delta(id: string, reported?: Reported): string {
  const frame = {
    id,
    object: "chat.completion.chunk",
    model: "metered",
    choices: [{ index: 0, delta: { content: CONTENT }, finish_reason: null }],
    ...reported ? { usage: usageOf(reported) } : {},
  };
  return `data: ${JSON.stringify(frame)}\n\n`;
}

function whole(id: string, reported: Reported) {
  return {
    id,
    object: "chat.completion",
    created: 1,
    model: "metered",
    choices: [{
      index: 0,
      message: { role: "assistant", content: CONTENT },
      finish_reason: "stop",
    }],
    usage: usageOf(reported),
  };
}
