/// <reference lib="deno.worker" />

/** Everything that code in a policy's thread might try, had it a way out of its realm. */
const ATTEMPTS: Readonly<Record<string, () => unknown>> = {
  environment: () => Deno.env.get("HOME"),
  file: () => Deno.readTextFileSync("/etc/hostname"),
  "node:fs": async () => (await import("node:fs")).readFileSync("/etc/hostname"),
  write: () => Deno.writeTextFileSync("/tmp/pointsman-policy", "x"),
  program: () => new Deno.Command("true").outputSync(),
  connection: () => Deno.connect({ hostname: "127.0.0.1", port: 9 }),
  fetch: () => fetch("http://127.0.0.1:8999/"),
  system: () => Deno.hostname(),
  library: () => Deno.dlopen("libc.so.6", {}),
  "worker with more": () =>
    new Worker("data:text/javascript,", {
      type: "module",
      deno: { permissions: { read: true } },
    }),
};

const outcomes: Record<string, string> = {};
for (const [name, attempt] of Object.entries(ATTEMPTS)) {
  try {
    await attempt();
    outcomes[name] = "allowed";
  } catch (error) {
    outcomes[name] = error instanceof Error ? error.name : "thrown";
  }
}
self.postMessage(outcomes);
