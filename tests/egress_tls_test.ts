import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const fixture = (name: string) =>
  fileURLToPath(new URL(`./fixtures/tls/${name}.pem`, import.meta.url));

/** Asks a server under these names, all of which lead to this machine. */
const CLIENT = `
import { EgressClient } from "@/core/egress_client.ts";
const client = new EgressClient({ allowHttp: false, allowPrivate: [] }, () => Promise.resolve(["127.0.0.1"]));
for (const url of Deno.args) {
  const { signal } = new AbortController();
  const request = { method: "POST", url, headers: {}, body: "hello", maxBytes: 100, signal };
  const { kind, text } = await client.send(request);
  console.log(kind, text ?? "");
}
client[Symbol.dispose]();
`;

Deno.test("egress client shows the name of the URL to a server with a certificate, and believes no other", async () => {
  const names: (string | null)[] = [];
  await using server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: Deno.readTextFileSync(fixture("certificate")),
    key: Deno.readTextFileSync(fixture("key")),
    onListen() {},
  }, async (request) => {
    names.push(new URL(request.url).hostname);
    return new Response(`got ${await request.text()}`);
  });
  const { port } = server.addr;
  const urls = ["policy.example", "other.example"].map((name) => `https://${name}:${port}/decide`);
  const ask = async (env: Record<string, string>) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--frozen", "--no-prompt", "--allow-net", "--ext=ts", "-", ...urls],
      cwd: new URL("../", import.meta.url),
      env,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    await new Blob([CLIENT]).stream().pipeTo(child.stdin);
    return new TextDecoder().decode((await child.output()).stdout).split("\n");
  };
  const trusted = await ask({ DENO_CERT: fixture("authority") });
  assert.deepEqual(trusted, ["answer got hello", "unreachable ", ""]);
  assert.deepEqual(await ask({}), ["unreachable ", "unreachable ", ""]);
  assert.deepEqual(names, ["policy.example"]);
});
