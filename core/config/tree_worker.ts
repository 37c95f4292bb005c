import { type PackedTree, readTree } from "./tree.ts";

/** A thread that reads one configuration. It may read what its parser asks for, and nothing else. */
const self = globalThis as unknown as {
  postMessage(message: PackedTree): void;
  onmessage: ((event: MessageEvent<string>) => void) | null;
};

self.onmessage = ({ data: text }) => {
  const { places, ...tree } = readTree(text);
  self.postMessage({ ...tree, places: places.pack() });
};
