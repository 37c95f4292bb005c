import process from "node:process";
import { type PackedTree, readTree } from "./tree.ts";

/** A thread that reads one configuration. It may do nothing else. */
const self = globalThis as unknown as {
  postMessage(message: PackedTree): void;
  onmessage: ((event: MessageEvent<string>) => void) | null;
};

// The parser asks for variables at every token: here there are none, and to ask costs nothing.
process.env = {};

self.onmessage = ({ data: text }) => {
  const { places, ...tree } = readTree(text);
  self.postMessage({ ...tree, places: places.pack() });
};
