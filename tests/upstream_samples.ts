import type { DialectName } from "@/core/dialect_name.ts";
import { echoUpstream } from "@/plugins/echo/mod.ts";

/** How the path of a dialect's calls ends. */
export const CALL_PATHS: Readonly<Record<DialectName, string>> = {
  "openai-chat": "/chat/completions",
  "openai-responses": "/responses",
  "anthropic": "/v1/messages",
};

/** What a sample says, and how. */
interface SampleOptions {
  /** A scripted model of the echo; `echo` unless given. */
  readonly model?: string;
  /** What the reply says; `hello wide world` unless given. */
  readonly text?: string;
  readonly stream?: boolean;
}

/** A request body of a dialect. */
export function sampleRequest(
  dialect: DialectName,
  { model = "echo", text = "hello wide world", stream = false }: SampleOptions = {},
): Record<string, unknown> {
  const common = { model, ...(stream ? { stream } : {}) };
  const messages = [{ role: "user", content: text }];
  switch (dialect) {
    case "openai-chat":
      return {
        ...common,
        messages,
        ...(stream ? { stream_options: { include_usage: true } } : {}),
      };
    case "openai-responses":
      return { ...common, input: text };
    case "anthropic":
      return { ...common, max_tokens: 1024, messages };
  }
}

/** The bytes of a whole reply of a dialect. */
export async function sampleReply(
  dialect: DialectName,
  options: SampleOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const body = new TextEncoder().encode(JSON.stringify(sampleRequest(dialect, options)));
  const { signal } = new AbortController();
  const url = `builtin:echo${CALL_PATHS[dialect]}`;
  const response = await echoUpstream.fetch(url, { headers: {}, body, signal });
  return new Uint8Array(await response.arrayBuffer());
}

/** The frames of a stream, blank lines included. */
export function framesOf(stream: Uint8Array): string[] {
  return new TextDecoder().decode(stream).match(/[\s\S]+?\n\n/g) ?? [];
}

/** The first `count` frames of a stream; with `half`, then the first half of the next one. */
export function firstFrames(stream: Uint8Array, count: number, { half = false } = {}): string {
  const frames = framesOf(stream);
  const next = frames[count] ?? "";
  return frames.slice(0, count).join("") + (half ? next.slice(0, next.length >> 1) : "");
}
