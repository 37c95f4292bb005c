import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig } from "@/core/config/load.ts";
import { createLog } from "@/core/log.ts";
import { dialects } from "@/dialects/mod.ts";
import { upstreams } from "@/plugins/mod.ts";
import { createPolicyRunner } from "@/policies/runner.ts";
import { readBuilt } from "@/policies/signing/built_policy.ts";
import { storedBundle } from "@/policies/signing/stored_bundle.ts";
import { strategies } from "@/strategies/mod.ts";
import { type Ran, ran, runPolicy, signedPolicy } from "./policy_commands.ts";

const POLICY = `import { type Plan, planOf, type RouteContext } from "@pointsman/sdk";
export const route = (context: RouteContext): Plan => planOf(context.targets);`;

/** A configuration with this policy, in a folder with the keys `ada` and `eve`. */
const config = (policies: string, group = "") => `
server:
  policies: { ${policies} }
providers: { echo: { base_url: "builtin:echo", dialect: openai-chat } }
models:
  routed:
    strategy: script
    script: a.policy.json
    ${group}
    targets: [{ provider: echo, model: echo }]
callers: []`;

const MANIFEST = "a.policy.json";
const SIGNATURE = "a.policy.sig";

const SIGNED = "require_signature: true, public_keys: [{ key_id: ada, path: ada.pub.pem }]";

interface Delivery extends AsyncDisposable {
  readonly dir: string;
  readonly manifest: string;
  run(...args: readonly string[]): Promise<Ran>;
  /** Why a start refuses the policy, or nothing. */
  refused(policies?: string, group?: string): Promise<string>;
}

let once: ReturnType<typeof signedPolicy> | undefined;

/** A policy that was built, and signed with the key `ada`, in a folder of its own. */
async function delivered(...buildArgs: readonly string[]): Promise<Delivery> {
  const dir = await Deno.makeTempDir();
  const file = (name: string) => join(dir, name);
  const manifest = file(MANIFEST);
  // Building takes seconds, and what is built is the same each time.
  const files = buildArgs.length > 0
    ? signedPolicy(POLICY, ...buildArgs)
    : once ??= signedPolicy(POLICY);
  for (const [name, text] of await files) await Deno.writeTextFile(file(name), text);
  return {
    dir,
    manifest,
    run: (...args) => runPolicy(args),
    async refused(policies = SIGNED, group) {
      await Deno.writeTextFile(file("config.yaml"), config(policies, group));
      return await refusalAt(file("config.yaml"));
    },
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

async function refusalAt(path: string): Promise<string> {
  const sources = {
    now: Date.now,
    env: () => undefined,
    readFile(path: string) {
      try {
        return { text: Deno.readTextFileSync(path), mode: 0o600 };
      } catch {
        return null;
      }
    },
  };
  const loaded = loadConfig(path, sources, { dialects, strategies, builtins: upstreams });
  assert(loaded.ok, JSON.stringify(loaded.problems));
  const log = createLog({ level: "error", format: "json" });
  const runner = createPolicyRunner({ log, now: Date.now, clock: () => performance.now() });
  try {
    const problems = await runner.prepare(
      loaded.snapshot.groups.values(),
      loaded.snapshot.server.policies,
    );
    return problems.map(({ message }) => message).join("\n");
  } finally {
    await runner.close();
  }
}

Deno.test("policy that was built and signed serves, and verifies", async () => {
  await using delivery = await delivered();
  const { dir, manifest, run, refused } = delivery;
  // A busy machine must not make a harmless policy look slow.
  assert.equal(await refused(SIGNED, "script_timeout_ms: 1000"), "");
  for (
    const whose of [["--public-key", join(dir, "ada.pub.pem")], [
      "--config",
      join(dir, "config.yaml"),
    ]]
  ) {
    const verified = await run("verify", manifest, ...whose);
    assert.deepEqual([verified.code, verified.err], [0, ""]);
    assert.match(verified.out, /sha256:[0-9a-f]{12} {2}net: none\ndigest ok {2}signature ok/);
  }
  const group = ["--config", join(dir, "config.yaml"), "--group", "routed"];
  const checked = await run("check", manifest, ...group);
  assert.match(checked.out, /deterministic 100\/100 .* ok$/);
});

Deno.test("private key is its owner's alone, and is never overwritten", async () => {
  await using delivery = await delivered();
  await ran("keygen", "-o", delivery.dir, "--key-id", "own");
  const path = join(delivery.dir, "own.key.pem");
  const before = Deno.readTextFileSync(path);
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  const again = await delivery.run("keygen", "-o", delivery.dir, "--key-id", "own");
  assert.equal(again.code, 5);
  assert.equal(Deno.readTextFileSync(path), before);
});

/** Changes one file of a delivery. */
function change(delivery: Delivery, name: string, edit: (text: string) => string): void {
  const path = join(delivery.dir, name);
  Deno.writeTextFileSync(path, edit(Deno.readTextFileSync(path)));
}

const rewrite = (text: string, change: object) =>
  JSON.stringify({ ...JSON.parse(text), ...change });

/** What is done to a delivery, what it is refused for, and the exit code of `verify`. */
const REFUSALS: readonly (readonly [
  name: string,
  spoil: (delivery: Delivery) => unknown,
  said: RegExp,
  code?: number,
])[] = [
  [
    "a flipped byte of the bundle",
    (it) => change(it, "a.policy.js", (text) => text.replace("route", "reute")),
    /the bundle is not that of the manifest/,
  ],
  [
    "a flipped byte of the signature",
    (it) =>
      change(it, SIGNATURE, (text) => {
        const { signature, ...rest } = JSON.parse(text);
        const flipped = (signature[0] === "A" ? "B" : "A") + signature.slice(1);
        return JSON.stringify({ ...rest, signature: flipped });
      }),
    /the signature is not that of key "ada"/,
  ],
  [
    "a widened manifest",
    (it) => change(it, MANIFEST, (text) => rewrite(text, { permissions: { net: ["a.b:443"] } })),
    /the signature is not that of key "ada"/,
  ],
  [
    "a bundle that was replaced with its digest",
    (it) => {
      change(it, "a.policy.js", () => "var __policy = { route: () => ({ targetIndex: 0 }) };");
      const code = Deno.readFileSync(join(it.dir, "a.policy.js"));
      return crypto.subtle.digest("SHA-256", code).then((digest) =>
        change(
          it,
          MANIFEST,
          (text) => rewrite(text, { digest: new Uint8Array(digest).toHex(), bytes: code.length }),
        )
      );
    },
    /the signature is not that of key "ada"/,
  ],
  [
    "a foreign key by its name",
    (it) => it.run("sign", it.manifest, "--key", join(it.dir, "eve.key.pem")),
    /signed by an unknown key, "eve"/,
  ],
  [
    "a foreign key under a known name",
    (it) => it.run("sign", it.manifest, "--key", join(it.dir, "eve.key.pem"), "--key-id", "ada"),
    /the signature is not that of key "ada"/,
  ],
  [
    "no signature",
    (it) => Deno.removeSync(join(it.dir, SIGNATURE)),
    /not signed, and a signature is required/,
  ],
  [
    "a signature that is none",
    (it) => change(it, SIGNATURE, () => "{}"),
    /signature cannot be read/,
  ],
  [
    "another contract",
    (it) => change(it, MANIFEST, (text) => rewrite(text, { contract: 2 })),
    /contract: expected 1/,
  ],
  [
    "an unknown permission",
    (it) =>
      change(it, MANIFEST, (text) => rewrite(text, { permissions: { net: [], run: ["sh"] } })),
    /unknown permission: "run"/,
  ],
  [
    "an unknown member",
    (it) => change(it, MANIFEST, (text) => rewrite(text, { trusted: true })),
    /unknown members: "trusted"/,
  ],
  ["a manifest that is no JSON", (it) => change(it, MANIFEST, () => "{"), /manifest is no JSON/],
  [
    "another number of bytes",
    (it) => {
      change(it, MANIFEST, (text) => rewrite(text, { bytes: 1 }));
      return it.run("sign", it.manifest, "--key", join(it.dir, "ada.key.pem"));
    },
    /the manifest says 1$/m,
  ],
  [
    "no bundle",
    (it) => Deno.removeSync(join(it.dir, "a.policy.js")),
    /there is no such file/,
    5,
  ],
  [
    "a public key that is none",
    (it) => change(it, "ada.pub.pem", () => "no key"),
    /no Ed25519 key in PEM/,
    5,
  ],
];

for (const [name, spoil, said, code = 4] of REFUSALS) {
  Deno.test(`start and policy verify refuse ${name}`, async () => {
    await using delivery = await delivered();
    await spoil(delivery);
    assert.match(await delivery.refused(), said);
    const verified = await delivery.run(
      "verify",
      delivery.manifest,
      "--config",
      join(delivery.dir, "config.yaml"),
    );
    assert.match(verified.err, said);
    assert.equal(verified.code, code);
  });
}

Deno.test("start refuses a built policy that leads outside by a link", async () => {
  await using delivery = await delivered();
  const outside = await Deno.makeTempFile();
  const script = join(delivery.dir, "a.policy.js");
  await Deno.rename(script, outside);
  await Deno.symlink(outside, script);
  assert.match(await delivery.refused(), /lies outside/);
  await Deno.remove(outside);
});

Deno.test("start refuses what the group does not grant, whoever signed it", async () => {
  await using delivery = await delivered("--net", "a.b:443");
  assert.match(await delivery.refused(), /wants to reach a\.b:443, which its group does not grant/);
  const verified = await delivery.run(
    "verify",
    delivery.manifest,
    "--public-key",
    join(delivery.dir, "ada.pub.pem"),
  );
  assert.match(verified.out, /net: a\.b:443/);
});

Deno.test("start takes a source only where no signature is required", async () => {
  await using delivery = await delivered();
  change(delivery, "a.ts", (text) => text);
  const source = "script: a.ts";
  const path = join(delivery.dir, "config.yaml");
  const say = async (policies: string) => {
    await Deno.writeTextFile(path, config(policies).replace("script: a.policy.json", source));
    return await refusalAt(path);
  };
  assert.equal(await say(""), "");
  assert.match(await say(SIGNED), /a signature is required, and sources have none/);
  const worker = "isolation: worker";
  assert.match(await say(worker), /a signature is required, and sources have none/);
});

Deno.test("policy in the gateway's own process has a short running time", async () => {
  await using delivery = await delivered();
  const policies = `isolation: worker, ${SIGNED.split(", ").slice(1).join(", ")}`;
  assert.equal(await delivery.refused(policies), "");
  const said = await delivery.refused(policies, "script_timeout_ms: 101");
  assert.match(said, /isolation "worker" takes a script_timeout_ms of 100 at most/);
});

Deno.test("policy build of the same sources gives the same files", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(join(dir, "a.ts"), POLICY);
  for (const out of ["first", "second"]) {
    await ran(
      "build",
      join(dir, "a.ts"),
      "-o",
      join(dir, out),
      "--net",
      "b.c:1",
      "--net",
      "a.b:443",
    );
  }
  for (const name of ["a.policy.js", "a.policy.json"]) {
    const [first, second] = ["first", "second"].map((out) =>
      Deno.readFileSync(join(dir, out, name))
    );
    assert.deepEqual(first, second);
  }
  const { name, contract, permissions, sources } = JSON.parse(
    Deno.readTextFileSync(join(dir, "first", "a.policy.json")),
  );
  assert.deepEqual([name, contract, permissions], ["a", 1, { net: ["a.b:443", "b.c:1"] }]);
  assert(sources.some(({ path }: { path: string }) => path === "a.ts"));
  await Deno.remove(dir, { recursive: true });
});

Deno.test("built policy is recorded as it was verified, whatever its files say by then", async () => {
  await using delivery = await delivered();
  const { dir, manifest } = delivery;
  const read = (name: string) => Deno.readTextFileSync(join(dir, name));
  const before = [read(MANIFEST), read(SIGNATURE)];
  const trust = { required: true, keys: [{ keyId: "ada", path: join(dir, "ada.pub.pem") }] };
  const result = readBuilt(manifest, { root: dir, trust, net: [] });
  assert(result.ok);
  change(
    delivery,
    MANIFEST,
    (text) => rewrite(text, { permissions: { net: ["evil.example:443"] } }),
  );
  Deno.removeSync(join(dir, SIGNATURE));
  const { manifestJson, signatureJson } = storedBundle(result.bundle, { path: manifest, net: [] });
  assert.deepEqual([manifestJson, signatureJson], before);
});
