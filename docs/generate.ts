import { configReference } from "@/core/config/reference.ts";
import { strategies } from "@/strategies/mod.ts";
import { bridgeMatrix } from "./bridge_matrix.ts";

/** Files in this folder that are made from the code, with their texts. */
export function generatedDocs(): ReadonlyMap<string, string> {
  return new Map([["BRIDGES.md", bridgeMatrix()], ["CONFIG.md", configReference(strategies)]]);
}

if (import.meta.main) {
  for (const [name, text] of generatedDocs()) {
    Deno.writeTextFileSync(new URL(name, import.meta.url), text);
  }
}
