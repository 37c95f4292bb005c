import { rawRequest } from "./load.ts";
import { median } from "./measure.ts";
import { type Running, threadsUs, TOKEN } from "./processes.ts";

/** Frames of a slow stream that reach the gateway apart from each other, and how long it lasts, ms. */
const STREAM_FRAMES = 66;
const STREAM_MS = 1_300;

/** Who serves a round of streams. */
interface Sides {
  readonly gateway: Running;
  readonly upstream: Running;
}

/** Many slow streams at once, straight and over the bridge; they begin one after the other. */
export async function streamsAtOnce(sides: Sides, count: number): Promise<void> {
  const straight = rawRequest(`${sides.upstream.url}/v1/messages`, {}, '{"model":"slow"}');
  const bridged = rawRequest(
    `${sides.gateway.url}/v1/chat/completions`,
    { authorization: `Bearer ${TOKEN}` },
    JSON.stringify({
      model: "slow",
      stream: true,
      messages: [{ role: "user", content: "Tell me something" }],
    }),
  );
  await many(bridged, count);
  const added: number[] = [];
  const cpu: FrameCpu[] = [];
  let complete = 0;
  for (let round = 0; round < 3; round++) {
    const direct = await many(straight, count);
    const before = await usedUs(sides);
    const over = await many(bridged, count);
    cpu.push(perFrame(before, await usedUs(sides), count));
    const p50 = (streams: readonly Stream[]) => median(streams.map(({ firstMs }) => firstMs));
    added.push(p50(over) - p50(direct));
    complete += over.filter((stream) => stream.complete).length;
  }
  console.log(
    `${count} bridged streams at once: ${complete} of ${3 * count} complete, first delta ` +
      `${median(added).toFixed(2)} ms later (p50), to reach 1; ${cpuText(cpu, count)}`,
  );
}

interface Stream {
  /** From the request to the first delta, ms. */
  readonly firstMs: number;
  readonly complete: boolean;
}

/** CPU of each side, us. */
interface FrameCpu {
  readonly gateway: number;
  readonly provider: number;
  readonly callers: number;
}

async function usedUs({ gateway, upstream }: Sides): Promise<FrameCpu> {
  const of = async (pid: number) =>
    [...(await threadsUs(pid)).values()].reduce((sum, us) => sum + us, 0);
  return {
    gateway: await of(gateway.pid),
    provider: await of(upstream.pid),
    callers: await of(Deno.pid),
  };
}

function perFrame(before: FrameCpu, after: FrameCpu, count: number): FrameCpu {
  const frames = count * STREAM_FRAMES;
  return {
    gateway: (after.gateway - before.gateway) / frames,
    provider: (after.provider - before.provider) / frames,
    callers: (after.callers - before.callers) / frames,
  };
}

/** Who used the machine: where all of them ask for more cores than it has, the delay is a queue. */
function cpuText(rounds: readonly FrameCpu[], count: number): string {
  const of = (side: keyof FrameCpu) => median(rounds.map((round) => round[side]));
  const [gateway, provider, callers] = [of("gateway"), of("provider"), of("callers")];
  const framesPerUs = count * STREAM_FRAMES / STREAM_MS / 1_000;
  const cores = (gateway + provider + callers) * framesPerUs;
  const us = [gateway, provider, callers].map((side) => side.toFixed(0)).join(" + ");
  return `CPU a frame ${us} us (gateway + provider + callers), ${cores.toFixed(1)} of ` +
    `${navigator.hardwareConcurrency} cores asked for`;
}

/** As many run at once as begin while the first one lasts. */
async function many(request: ReturnType<typeof rawRequest>, count: number): Promise<Stream[]> {
  const running: Promise<Stream>[] = [];
  const started = performance.now();
  while (running.length < count) {
    const due = (performance.now() - started) * count / STREAM_MS;
    while (running.length < Math.min(count, due)) running.push(streamOnce(request));
    await new Promise((go) => setTimeout(go, 2));
  }
  return await Promise.all(running);
}

const decoder = new TextDecoder();

async function streamOnce(request: ReturnType<typeof rawRequest>): Promise<Stream> {
  using connection = await Deno.connect(request);
  connection.setNoDelay(true);
  const started = performance.now();
  await connection.write(request.bytes);
  const buffer = new Uint8Array(16_384);
  let firstMs = NaN;
  let deltas = 0;
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return { firstMs, complete: false };
    const text = decoder.decode(buffer.subarray(0, count));
    if (text.includes("some words")) {
      deltas += text.split("some words").length - 1;
      if (Number.isNaN(firstMs)) firstMs = performance.now() - started;
    }
    if (text.endsWith("0\r\n\r\n")) return { firstMs, complete: deltas === 64 };
  }
}
