/** What a load measured. */
export interface Load {
  /** Calls per second. */
  readonly rps: number;
  /** ms. */
  readonly p50: number;
  readonly p99: number;
}

/** A request as bytes, ready to be written to a connection again and again. */
export function rawRequest(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): { readonly hostname: string; readonly port: number; readonly bytes: Uint8Array } {
  const { hostname, port, pathname } = new URL(url);
  const payload = new TextEncoder().encode(body);
  const head = [
    `POST ${pathname} HTTP/1.1`,
    `host: ${hostname}:${port}`,
    "content-type: application/json",
    `content-length: ${payload.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ].join("\r\n");
  const start = new TextEncoder().encode(`${head}\r\n\r\n`);
  const bytes = new Uint8Array(start.length + payload.length);
  bytes.set(start);
  bytes.set(payload, start.length);
  return { hostname, port: Number(port), bytes };
}

/** How much is sent. */
interface LoadPlan {
  readonly connections: number;
  readonly calls: number;
  /** Calls a second; unset: as many as there are answers. */
  readonly rps?: number;
}

/** A request, or several that take turns. */
export type Requests = RawRequest | readonly [RawRequest, ...RawRequest[]];
type RawRequest = ReturnType<typeof rawRequest>;

/**
 * Calls over raw connections, so that the generator costs little beside what it measures: each
 * connection sends its next request when the last answer is complete.
 *
 * @throws {Error} on an answer other than 200, or a connection that breaks
 */
export async function load(
  requests: Requests,
  plan: LoadPlan,
): Promise<Load> {
  const turns = "bytes" in requests ? [requests] : requests;
  const times: number[] = [];
  let left = plan.calls;
  const started = performance.now();
  await Promise.all(Array.from({ length: plan.connections }, async () => {
    using connection = await Deno.connect(turns[0]!);
    connection.setNoDelay(true);
    const buffer = new Uint8Array(4 << 20);
    while (left-- > 0) {
      const request = turns[left % turns.length]!;
      const from = await turnOf(plan.calls - left - 1, started, plan.rps);
      await writeAll(connection, request.bytes);
      await readAnswer(connection, buffer);
      times.push(performance.now() - from);
    }
  }));
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? NaN;
  return { rps: times.length / seconds, p50: at(0.5), p99: at(0.99) };
}

/** When a call begins: at once, or when it is due. What waited for a connection waited since then. */
async function turnOf(ordinal: number, started: number, rps?: number): Promise<number> {
  if (rps === undefined) return performance.now();
  const due = started + ordinal * 1_000 / rps;
  const early = due - performance.now();
  if (early <= 0) return due;
  await new Promise((resolve) => setTimeout(resolve, early));
  return performance.now();
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    rest = rest.subarray(await connection.write(rest));
  }
}

const decoder = new TextDecoder();
const LAST_CHUNK = "0\r\n\r\n";

/** Reads one answer, by its length or to its last chunk. */
async function readAnswer(connection: Deno.Conn, buffer: Uint8Array): Promise<void> {
  let size = 0;
  let end = Infinity;
  let head = "";
  for (;;) {
    const count = await connection.read(buffer.subarray(size));
    if (count === null) throw new Error("Cannot read the answer: the connection broke");
    size += count;
    if (head === "") {
      const text = decoder.decode(buffer.subarray(0, Math.min(size, 8192)));
      const close = text.indexOf("\r\n\r\n");
      if (close < 0) continue;
      head = text.slice(0, close);
      if (!head.startsWith("HTTP/1.1 200")) throw new Error(`Cannot use the answer: ${head}`);
      const length = /^content-length: (\d+)/im.exec(head)?.[1];
      if (length !== undefined) end = close + 4 + Number(length);
    }
    const last = decoder.decode(buffer.subarray(Math.max(0, size - 5), size));
    if (size >= end || (end === Infinity && last === LAST_CHUNK)) return;
  }
}
