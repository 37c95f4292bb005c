import { type Loose, TOKEN } from "./gateway.ts";
import { call } from "./gateway_client.ts";
import { reply } from "./upstream.ts";

/** Output tokens of every reply, which is what is reserved for it, too. */
export const OUTPUT = 500;

/** A reply that uses exactly what was reserved: input is free in these tests. */
export const USED = reply({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 0, completion_tokens: OUTPUT, total_tokens: OUTPUT },
});

const ASK = { body: { max_tokens: OUTPUT } };

/**
 * Calls at once, spread over processes; how many were answered with which status or error. `each` is
 * told how many were refused so far.
 */
export async function burst(
  urls: readonly string[],
  calls: number,
  { token = TOKEN, each = () => {} }: {
    readonly token?: string;
    readonly each?: (refused: number) => void;
  } = {},
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const headers = { authorization: `Bearer ${token}` };
  await Promise.all(Array.from({ length: calls }, async (_, turn) => {
    const url = urls[turn % urls.length]!;
    const answer = await call(url, "openai-chat", { ...ASK, headers });
    const kind = answer.status === 200 ? "ok" : String(answer.json()["error"].type);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    if (kind !== "ok") each(counts.get(kind) ?? 0);
  }));
  return counts;
}

/** What `/v1/usage` says. */
export async function usageOf(url: string, token = TOKEN): Promise<Loose> {
  return await (await fetch(`${url}/v1/usage`, { headers: { "x-api-key": token } })).json();
}

/** The limit in calls of this test, and what is told of the others. */
export const LIMITS = [
  { name: "rpm 100", limits: { rate: { rpm: 100 } }, fits: 100, error: "rpm-exceeded" },
  // 513 tokens are reserved for a call: 500 of output, and 13 of input.
  { name: "tpm 100,000", limits: { rate: { tpm: 100_000 } }, fits: 194, error: "tpm-exceeded" },
  {
    name: "a budget of 1 USD",
    limits: { quota: { day: { cost_usd: 1 } } },
    fits: 100,
    error: "quota-exhausted",
  },
  {
    name: "month.requests 120",
    limits: { quota: { month: { requests: 120 } } },
    fits: 120,
    error: "quota-exhausted",
  },
  {
    name: "lifetime 50,000 tokens",
    limits: { key: { lifetime_tokens: 50_000 } },
    fits: 97,
    error: "key-exhausted",
  },
] as const;
