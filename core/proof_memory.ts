import { hash } from "node:crypto";

/** Most proofs remembered; the oldest go first. */
const CAPACITY = 100_000;

/**
 * Which provider a proof of reasoning came from, so that a conversation that moves to another
 * provider does not hand it a proof of the first. An empty proof is unsigned reasoning.
 */
export interface ProofMemory {
  remember(proofs: readonly string[], provider: string): void;
  /**
   * Whether a provider may be given a proof back: it is its own, or nobody knows. Unsigned reasoning
   * goes only to providers whose own replies come unsigned.
   */
  accepts(proof: string, provider: string): boolean;
}

/** Builds an empty memory. */
export function createProofMemory(capacity = CAPACITY): ProofMemory {
  const homes = new Map<string, string>();
  const unsigned = new Set<string>();
  return {
    remember(proofs, provider) {
      for (const proof of proofs) {
        if (proof === "") {
          unsigned.add(provider);
          continue;
        }
        const key = keyOf(proof);
        homes.delete(key);
        homes.set(key, provider);
        if (homes.size > capacity) homes.delete(homes.keys().next().value ?? "");
      }
    },
    accepts(proof, provider) {
      if (proof === "") return unsigned.has(provider);
      const home = homes.get(keyOf(proof));
      return home === undefined || home === provider;
    },
  };
}

/** Proofs are long: a memory of their digests stays small. */
function keyOf(proof: string): string {
  return hash("sha256", proof, "base64");
}
