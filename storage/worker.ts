import { messageOf } from "../core/thrown.ts";
import { ShipLoop } from "./ship_loop.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";

/** The storage worker: the one thread that opens the usage database. It has its files or its server, and nothing else. */
const self = globalThis as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
};

let loop: ShipLoop | undefined;

self.onmessage = ({ data }) => void answer(data);

async function answer(message: ToWorker): Promise<void> {
  switch (message.type) {
    case "start":
      loop = new ShipLoop(message.settings, {
        status: (status) => self.postMessage({ type: "status", status }),
        batch: (ms) => self.postMessage({ type: "batch", ms }),
        log: (level, event, msg, fields) =>
          self.postMessage({ type: "log", level, event, msg, fields }),
      });
      return;
    case "totals":
      return await totals(message);
    case "close":
      await loop?.close();
      self.postMessage({ type: "closed" });
  }
}

async function totals(message: ToWorker & { readonly type: "totals" }): Promise<void> {
  const { id } = message;
  try {
    if (!loop) throw new Error("Cannot add up: the storage worker has not started");
    self.postMessage({ type: "totals", id, totals: await loop.totals(message) });
  } catch (error) {
    const reason = messageOf(error);
    self.postMessage({ type: "totals-failed", id, reason });
  }
}
