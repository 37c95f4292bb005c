import assert from "node:assert/strict";
import { join } from "node:path";
import { caller, type ConfigOptions, TOKEN } from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { call } from "../gateway_client.ts";
import { makeFolder, runServe, spawnGateway } from "../gateway_process.ts";
import { signedPolicy } from "../policy_commands.ts";
import { hostsOf } from "../policy_support.ts";

const SOURCE = `
export function route(ctx: any) {
  if (ctx.features.outputCap === 7) for (;;);
  if (ctx.features.outputCap === 8) Promise.reject(new Error("left behind"));
  return { targetIndex: 1, fallbackIndexes: [] };
}`;

const TARGETS = ["echo-reasoning", "echo"].map((model) => ({ provider: "echo", model }));

/** A gateway whose group `policed` asks the signed policy `a`. */
async function signed(isolation: string): Promise<ConfigOptions> {
  const policies = {
    isolation,
    require_signature: true,
    public_keys: [{ key_id: "ada", path: "ada.pub.pem" }],
  };
  return {
    upstreams: [],
    server: { policies },
    providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
    group: { targets: TARGETS },
    models: { policed: { strategy: "script", script: "a.policy.json", targets: TARGETS } },
    callers: [caller("ci", TOKEN, { allow: ["fast", "policed"] })],
    files: Object.fromEntries(await signedPolicy(SOURCE)),
  };
}

const ask = (url: string, cap = 100) =>
  call(url, "openai-chat", { body: { model: "policed", max_tokens: cap } });

for (const isolation of ["process", "worker"]) {
  Deno.test(`signed policy serves as it was built, isolation: ${isolation}`, async () => {
    await using folder = await makeFolder(await signed(isolation));
    await using gateway = await spawnGateway(folder.dir);
    assert.equal((await ask(gateway.url)).headers.get("x-router-model"), "echo");
    assert.equal(hostsOf(gateway.pid).length === 0, isolation === "worker");
    const { fault } = assertError("openai-chat", await ask(gateway.url, 7), "routing-policy-error")
      .details;
    assert(["policy-timeout", "policy-killed"].includes(fault), fault);
    assert.equal((await ask(gateway.url, 8)).status, 200, "a rejection left behind harms nobody");
    assert.equal((await ask(gateway.url)).status, 200, "the next decision is the policy's");
  });
}

Deno.test("signed policy that was changed on disk neither starts nor comes into force", async () => {
  await using folder = await makeFolder(await signed("process"));
  const script = join(folder.dir, "a.policy.js");
  const before = Deno.readTextFileSync(script);
  const changed = before.replace("targetIndex: 1", "targetIndex: 0");
  assert.notEqual(changed, before);
  await using gateway = await spawnGateway(folder.dir);
  Deno.writeTextFileSync(script, changed);
  await gateway.said(/"policy_refused".*the bundle is not that of the manifest/);
  assert.equal((await ask(gateway.url)).headers.get("x-router-model"), "echo");
  const { code, output } = await runServe(folder.dir, ["config", "validate"]);
  assert.equal(code, 1);
  assert.match(output, /models\.policed\.script: the bundle is not that of the manifest/);
});

Deno.test("config validate warns of policies in the gateway's own process", async () => {
  await using folder = await makeFolder(await signed("worker"));
  const { code, output } = await runServe(folder.dir, ["config", "validate"]);
  assert.equal(code, 0, output);
  assert.match(output, /isolation: policies run in the gateway's own process/);
});
