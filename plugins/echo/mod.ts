import type { BuiltinUpstream } from "@/core/upstream.ts";
import { createEcho } from "./upstream.ts";
import { realWorld } from "./world.ts";

/** The upstream `builtin:echo`: scripted models in every wire format, without a socket or a key. */
export const echoUpstream: BuiltinUpstream = createEcho(realWorld);
