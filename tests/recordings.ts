import type { DialectName } from "@/core/dialect_name.ts";
import { createFrameReader } from "@/core/sse.ts";
import type { SseFrame } from "@/core/wire.ts";

/** Folder of each dialect, under `dialects/` and under `tests/fixtures/`. */
export const DIALECT_FOLDERS: Readonly<Record<DialectName, string>> = {
  "anthropic": "anthropic_messages",
  "openai-chat": "openai_chat",
  "openai-responses": "openai_responses",
};

/** What the wire said: a request and its reply. */
export interface Recording {
  readonly name: string;
  readonly folder: URL;
  readonly request: Uint8Array<ArrayBuffer>;
  readonly reply: Uint8Array<ArrayBuffer>;
  readonly streamed: boolean;
}

/** Names in a folder, sorted. */
export function entries(folder: URL): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Every recording of a dialect, by name. */
export function recordings(dialect: DialectName): Recording[] {
  const root = new URL(`./fixtures/${DIALECT_FOLDERS[dialect]}/`, import.meta.url);
  return entries(root).map((name) => {
    const folder = new URL(`${name}/`, root);
    const streamed = entries(folder).includes("response.sse");
    const reply = streamed ? "response.sse" : "response.json";
    return {
      name,
      folder,
      streamed,
      request: Deno.readFileSync(new URL("request.json", folder)),
      reply: Deno.readFileSync(new URL(reply, folder)),
    };
  });
}

/** The frames of a stream that arrives in these chunks. */
export function framesOf(...chunks: readonly Uint8Array<ArrayBuffer>[]): SseFrame[] {
  const reader = createFrameReader({ maxFrameBytes: 1 << 20 });
  const batches = chunks.map((chunk) => reader.push(chunk));
  return [...batches, reader.rest()].flatMap(({ frames }) => frames.map(({ frame }) => frame));
}

/** The same bytes in chunks of a size. */
export function drip(
  bytes: Uint8Array<ArrayBuffer>,
  size: number,
): readonly Uint8Array<ArrayBuffer>[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, at) => bytes.slice(at * size, (at + 1) * size));
}
