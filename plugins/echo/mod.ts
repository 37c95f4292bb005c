import type { BuiltinUpstream } from "@/core/upstream.ts";
import { parseModel } from "./script.ts";
import { type EchoWorld, realWorld } from "./world.ts";

/** Builds the upstream `builtin:echo`; what it answers with is loaded with the first call. */
export function createEcho(world: EchoWorld): BuiltinUpstream {
  let answer: BuiltinUpstream["fetch"] | null = null;
  return {
    name: "echo",
    serves: (model) => parseModel(model) !== null,
    async fetch(url, request) {
      if (!answer) {
        const { createAnswer } = await import("./upstream.ts");
        answer = createAnswer(world);
      }
      return await answer(url, request);
    },
  };
}

/** The upstream `builtin:echo`: scripted models in every wire format, without a socket or a key. */
export const echoUpstream: BuiltinUpstream = createEcho(realWorld);
