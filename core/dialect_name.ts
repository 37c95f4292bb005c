/** The wire formats callers and targets speak. `dialects/mod.ts` holds one dialect for each name. */
export const DIALECT_NAMES = ["openai-chat", "openai-responses", "anthropic"] as const;

/** Name of a wire format. */
export type DialectName = typeof DIALECT_NAMES[number];
