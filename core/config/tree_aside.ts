import { type ConfigTree, type PackedTree, readTree, unpackTree } from "./tree.ts";

/** A shorter text is read in less time than a thread takes to start. */
const SHORT_CHARS = 16_384;

/** Variables that the parser looks at. */
const ASKED = { env: ["LOG_STREAM", "LOG_TOKENS"] };

/**
 * Reads a text as `readTree` does, while this thread goes on: ten thousand callers take a second, in
 * which no call would be served.
 */
export async function readTreeAside(text: string): Promise<ConfigTree> {
  if (text.length <= SHORT_CHARS) return readTree(text);
  const worker = new Worker(new URL("./tree_worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions: ASKED },
  });
  const { promise, resolve, reject } = Promise.withResolvers<PackedTree>();
  worker.onmessage = ({ data }: MessageEvent<PackedTree>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`Cannot read the configuration aside: ${event.message}`));
  };
  worker.postMessage(text);
  try {
    return unpackTree(text, await promise);
  } finally {
    worker.terminate();
  }
}
