/** The wire formats callers and targets speak. `dialects/mod.ts` holds one dialect for each name. */
export const DIALECT_NAMES = ["openai-chat", "openai-responses", "anthropic"] as const;

/** Name of a wire format. */
export type DialectName = typeof DIALECT_NAMES[number];

/** Dialects by the names of their APIs, where those differ. */
export const DIALECTS_BY_API: ReadonlyMap<string, DialectName> = new Map([
  ["openai_chat", "openai-chat"],
  ["openai_responses", "openai-responses"],
  ["anthropic_messages", "anthropic"],
]);

/** A value for each dialect. */
export function perDialect<Value>(
  valueOf: (name: DialectName) => Value,
): Record<DialectName, Value> {
  return {
    "openai-chat": valueOf("openai-chat"),
    "openai-responses": valueOf("openai-responses"),
    "anthropic": valueOf("anthropic"),
  };
}
