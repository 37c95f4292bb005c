/// <reference lib="deno.worker" />
import { createRealmServer } from "./realm_server.ts";

/** The thread of a policy in the gateway's own process: frames come and go as messages. */
const take = createRealmServer((frame) => self.postMessage(frame), false);

// A rejection that a policy leaves behind must not end the thread.
self.addEventListener("unhandledrejection", (event) => event.preventDefault());
self.addEventListener("message", ({ data }: MessageEvent<Uint8Array>) => take(data));
