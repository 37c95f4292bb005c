import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { FRAME, FrameReader } from "@/policies/sandbox/frames.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** The program as a compiled binary would start itself: with all the permissions it has. */
function command(words: readonly string[], stdin: "null" | "piped"): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--frozen", "--allow-all", MAIN, ...words],
    stdin,
    stdout: "piped",
    stderr: "inherit",
  });
}

Deno.test("commands by which processes start each other are not for people", async () => {
  const { code, stdout } = await command(["--help"], "null").output();
  assert.equal(code, 0);
  assert.doesNotMatch(new TextDecoder().decode(stdout), /\bworker\b|policy-host/);
});

Deno.test("worker ends when nobody talks to it", async () => {
  assert.equal((await command(["worker"], "null").output()).code, 0);
});

Deno.test("policy host of a compiled binary comes up, and ends with its gateway", async () => {
  await using host = command(["policy-host", String(300 * 2 ** 20)], "piped").spawn();
  const frames = new FrameReader(1_000);
  const kinds: number[] = [];
  for await (const chunk of host.stdout) {
    for (const { kind } of frames.push(chunk)) kinds.push(kind);
    await host.stdin.close().catch(() => {});
  }
  assert.deepEqual(kinds, [FRAME.ready]);
  assert.equal((await host.status).code, 0);
});
