import { join } from "node:path";
import { type Running, startGateway, TOKEN } from "./processes.ts";

const CONNECTIONS = 50;
const CALLS = 2_000;
const OUTPUT = 500;
const WORKERS = 2;

interface Limit {
  readonly name: string;
  /** Of the caller. */
  readonly keys: string;
  readonly max: number;
  /** Where `/v1/usage` tells of it. */
  readonly path: readonly [block: string, ...keys: string[]];
}

/** Each is far below what so many calls ask for. */
const LIMITS: readonly Limit[] = [
  { name: "rpm", keys: "rate: { rpm: 100 }", max: 100, path: ["rate", "rpm"] },
  { name: "tpm", keys: "rate: { tpm: 100000 }", max: 100_000, path: ["rate", "tpm"] },
  {
    name: "USD a day",
    keys: "quota: { day: { cost_usd: 0.1 } }",
    max: 0.1,
    path: ["quota", "day", "cost_usd"],
  },
];

/**
 * Asks two workers for more than each limit allows, and prints what they let through.
 *
 * @throws {Error} when it is more than the limit, or less than 95 % of it
 */
export async function overshoot(mock: Running, dir: string): Promise<void> {
  for (const limit of LIMITS) {
    await using gateway = await startGateway(mock.url, join(dir, `over ${limit.name}`), {
      callerKeys: `, ${limit.keys}`,
      serverKeys: `, workers: ${WORKERS}`,
    });
    const admitted = await ask(gateway);
    const used = await usedOf(gateway, limit.path);
    console.log(
      `${WORKERS} workers, ${limit.name} ${limit.max}, ${CALLS} calls`.padEnd(43) +
        `admitted ${admitted} calls   used ${used} of ${limit.max}`,
    );
    if (used > limit.max) throw new Error(`Cannot hold the limit: ${limit.name} is overshot`);
    if (used < 0.95 * limit.max) throw new Error(`Cannot use the limit up: ${limit.name}`);
  }
}

/** How many calls were admitted; each connection sends its next call when it has its answer. */
async function ask({ url }: Running): Promise<number> {
  const body = JSON.stringify({
    model: "bench",
    max_tokens: OUTPUT,
    messages: [{ role: "user", content: "Tell me something" }],
  });
  const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
  let [left, admitted] = [CALLS, 0];
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (left-- > 0) {
      const answer = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body });
      await answer.body?.cancel();
      if (answer.status === 200) admitted += 1;
      else if (answer.status !== 429) throw new Error(`Cannot use the answer: ${answer.status}`);
    }
  }));
  return admitted;
}

async function usedOf({ url }: Running, path: Limit["path"]): Promise<number> {
  const answer = await fetch(`${url}/v1/usage`, { headers: { "x-api-key": TOKEN } });
  let value: unknown = await answer.json();
  for (const key of [...path, "used"]) {
    value = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  }
  if (typeof value !== "number") throw new Error(`Cannot read ${path.join(".")} of the usage`);
  return value;
}
