import type { ReplyFacts } from "./dialect.ts";

const MODEL = /^[\w.:/@+-]{1,128}$/;
const FINISH = /^[a-z][a-z_]{0,39}$/;

/** What stands for a text where a name was expected. */
const OTHER = "other";

/**
 * Words that a provider chose, as rows and spans may hold them. A name is kept; anything else may be a
 * piece of a prompt, or be without end.
 *
 * @example Usage
 * ```ts
 * import { providerWords } from "@/core/provider_words.ts";
 *
 * const { model, finish } = providerWords({ servedModel: "acme/large-1", finishReason: "Bye, Ana" });
 * if (model !== "acme/large-1" || finish !== "other") throw new Error("Cannot tell a name");
 * ```
 */
export function providerWords(
  facts: Pick<ReplyFacts, "servedModel" | "finishReason"> | null,
): { readonly model: string | undefined; readonly finish: string | undefined } {
  return {
    model: named(facts?.servedModel, MODEL),
    finish: named(facts?.finishReason, FINISH),
  };
}

function named(word: string | null | undefined, name: RegExp): string | undefined {
  if (word == null) return undefined;
  return name.test(word) ? word : OTHER;
}
