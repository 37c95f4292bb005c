import type { Command } from "commander";
import { basename, dirname, join } from "node:path";
import { ExitError, type World } from "../../core/command.ts";
import { builtFiles, type BuiltPolicyRules, readBuilt } from "../signing/built_policy.ts";
import { parseManifest } from "../signing/manifest.ts";
import { generateKeys, parseSignature, signManifest } from "../signing/signature.ts";
import {
  type ConfiguredPolicies,
  headline,
  isSameFile,
  orUnwritable,
  type PolicyConfig,
  scriptsOf,
} from "./configured.ts";
import { EXIT, EXITS, readable, refusal } from "./exit.ts";

/** `policy keygen`, `policy sign` and `policy verify`. */
export function addSigning(policy: Command, world: World, config: PolicyConfig): void {
  addKeygen(policy, world);
  addSign(policy, world);
  addVerify(policy, world, config);
}

interface KeygenOptions {
  readonly output: string;
  readonly keyId: string;
}

function addKeygen(policy: Command, world: World): void {
  policy.command("keygen")
    .description("make a pair of Ed25519 keys to sign policies with")
    .option("-o, --output <folder>", "where to", ".")
    .option("--key-id <id>", "name of the pair, and of its files", "policies")
    .addHelpText(
      "after",
      `
Writes <id>.key.pem, which only you may read, and <id>.pub.pem, which goes into
server.policies.public_keys. Files that are there stay as they are.
${EXITS}

Example:
  pointsman policy keygen -o keys --key-id ada`,
    )
    .action(({ output, keyId }: KeygenOptions) => {
      if (!KEY_ID.test(keyId)) {
        throw new ExitError(
          2,
          `Cannot name a key "${keyId}": expected 1 to 64 of A-Z a-z 0-9 . _ -`,
        );
      }
      const { privateKey, publicKey } = generateKeys();
      const secret = join(output, `${keyId}${KEY_ENDING}`);
      const open = join(output, `${keyId}.pub.pem`);
      orUnwritable(output, () => Deno.mkdirSync(output, { recursive: true }));
      orUnwritable(secret, () => {
        Deno.writeTextFileSync(secret, privateKey, { mode: 0o600, createNew: true });
      });
      orUnwritable(open, () => Deno.writeTextFileSync(open, publicKey, { createNew: true }));
      world.print(`${secret}\n${open}`);
    });
}

const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/;
const KEY_ENDING = ".key.pem";

interface SignOptions {
  readonly key: string;
  readonly keyId?: string;
}

function addSign(policy: Command, world: World): void {
  policy.command("sign")
    .argument("<manifest>", "<name>.policy.json")
    .description("sign the manifest of a built policy")
    .requiredOption("--key <file>", "the private key")
    .option("--key-id <id>", "its name (default: that of its file)")
    .addHelpText(
      "after",
      `
Writes <name>.policy.sig.
${EXITS}

Example:
  pointsman policy sign dist/by_size.policy.json --key keys/ada.key.pem`,
    )
    .action((manifest: string, { key, keyId = basename(key, KEY_ENDING) }: SignOptions) => {
      const { signature } = builtFiles(manifest);
      const path = readable(manifest);
      const privateKey = Deno.readTextFileSync(readable(key));
      const text = signed(Deno.readFileSync(path), { privateKey, keyId, key });
      orUnwritable(signature, () => Deno.writeTextFileSync(signature, text));
      world.print(`${signature}  by "${keyId}"`);
    });
}

function signed(
  manifest: Uint8Array,
  { key, ...pair }: { readonly key: string; readonly privateKey: string; readonly keyId: string },
): string {
  try {
    return signManifest(manifest, pair);
  } catch {
    throw new ExitError(EXIT.refused, `Cannot sign with "${key}": it is no Ed25519 key in PEM`);
  }
}

interface VerifyOptions {
  readonly publicKey?: string;
  readonly config?: string;
}

function addVerify(policy: Command, world: World, config: PolicyConfig): void {
  policy.command("verify")
    .argument("<manifest>", "<name>.policy.json")
    .description("check digest, signature and permissions of a built policy")
    .option("--public-key <file>", "whose signature it must be")
    .option("--config <path>", "or: config file whose public keys and groups decide")
    .addHelpText(
      "after",
      `
With a configuration, every group that names this manifest must grant what it
asks for.
${EXITS}

Examples:
  pointsman policy verify dist/by_size.policy.json --public-key keys/ada.pub.pem
  pointsman policy verify dist/by_size.policy.json --config config.yaml`,
    )
    .action((manifest: string, options: VerifyOptions) => {
      const path = readable(manifest);
      const rules = options.publicKey === undefined
        ? configuredRules(config(options.config), path)
        : [statedRules(path, readable(options.publicKey))];
      for (const rule of rules) {
        const result = readBuilt(path, rule);
        if (!result.ok) throw refusal(result.flaws, EXIT.refused);
        world.print(headline(manifest, result.bundle, askedNet(path)));
      }
      world.print("digest ok  signature ok  permissions ok");
    });
}

/** The rules of every group that names a manifest; here a signature is always asked for. */
function configuredRules(config: ConfiguredPolicies, path: string): readonly BuiltPolicyRules[] {
  const rules = [...scriptsOf(config).values()].flatMap((policy) =>
    isSameFile(policy.path, path) ? [{ ...policy, trust: { ...policy.trust, required: true } }] : []
  );
  if (rules.length > 0) return rules;
  const why = "no group of the configuration names it; state --public-key";
  throw new ExitError(2, `Cannot verify "${path}": ${why}`);
}

/** Whoever signed it must have this key, by whatever name; what it asks for is shown, not judged. */
function statedRules(path: string, publicKey: string): BuiltPolicyRules {
  const { signature } = builtFiles(path);
  const keyId = parseSignature(textOf(signature))?.keyId ?? "";
  return {
    root: dirname(path),
    net: askedNet(path),
    trust: { required: true, keys: [{ keyId, path: publicKey }] },
  };
}

function askedNet(path: string): readonly string[] {
  const read = parseManifest(textOf(path));
  return read.ok ? read.manifest.permissions.net : [];
}

/** The text of a file; none where there is no such file. */
function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
