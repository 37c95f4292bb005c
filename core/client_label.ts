/** Clients worth telling apart in reports: the label, and how its `User-Agent` begins. */
const CLIENTS: readonly (readonly [string, RegExp])[] = [
  ["claude-code", /^claude-(cli|code)\b/i],
  ["codex", /^codex/i],
  ["openai-python", /^(Async)?OpenAI\/Python\b/],
  ["openai-node", /^(Async)?OpenAI\/JS\b/],
  ["anthropic-python", /^(Async)?Anthropic\/Python\b/],
  ["anthropic-node", /^(Async)?Anthropic\/JS\b/],
  ["ai-sdk", /^ai(-sdk)?\//],
  ["curl", /^curl\//],
  ["pointsman", /^pointsman\//],
];

/** A bounded label for the program that calls; `other` for one not on the list, empty without name. */
export function clientLabel(userAgent: string | null): string {
  if (!userAgent) return "";
  return CLIENTS.find(([, begins]) => begins.test(userAgent))?.[0] ?? "other";
}
