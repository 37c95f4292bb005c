import { type HostileRun, runHostile } from "../hostile_run.ts";

/** Lets hostile policies loose on a gateway, so many times; exits with 1 when one of them did harm. */
async function main(runs: number): Promise<number> {
  const started = performance.now();
  const step = Math.max(1, Math.floor(runs / 20));
  const run = await runHostile(runs, (done) => {
    if (done % step === 0) console.error(`${done}/${runs}`);
  });
  const seconds = (performance.now() - started) / 1_000;
  print(run, `${runs} hostile decisions in ${seconds.toFixed(0)} s`);
  const { before, after } = run.memoryMb;
  return run.wrong.length > 0 || after >= before + 64 || run.idleCores > 0.5 ? 1 : 0;
}

function print({ ends, wrong, others, memoryMb, idleCores }: HostileRun, title: string): void {
  console.log(title);
  for (const [end, count] of [...ends].sort(([, a], [, b]) => b - a)) {
    console.log(`  ${end.padEnd(28)}${count}`);
  }
  const at = (share: number) => (others[Math.floor(share * (others.length - 1))] ?? 0).toFixed(1);
  console.log(`other group  ${others.length} calls  p50 ${at(0.5)} ms  p99 ${at(0.99)} ms`);
  const { before, after } = memoryMb;
  console.log(`memory  ${before.toFixed(0)} MiB before  ${after.toFixed(0)} MiB after`);
  console.log(`idle  ${idleCores.toFixed(2)} cores`);
  for (const words of new Set(wrong)) console.log(`WRONG  ${words}`);
}

if (import.meta.main) Deno.exit(await main(Number(Deno.args[0] ?? 10_000)));
