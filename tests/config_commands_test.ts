import assert from "node:assert/strict";
import { join } from "node:path";
import { Command } from "commander";
import { ExitError } from "@/core/command.ts";
import { configCommands } from "@/core/config_commands.ts";
import { tokenCommands } from "@/core/token_commands.ts";
import { tokenDigestHex } from "@/core/tokens.ts";
import { BASE, NOW, parts } from "./config_support.ts";

const TEXT = `# Head
${BASE.trimEnd()}
  # The build machine
  - id: shop-prod # keep
    owner_user: ana
    project: shop
    environment: prod
    token_sha256: ${"cd".repeat(32)}
    token_id: rtr_pointsman_ana_shop_prod_k20261120
    allow: [demo]
# Tail
`;

interface Ran {
  readonly out: string;
  readonly code: number;
}

interface Shell extends Disposable {
  readonly dir: string;
  readonly path: string;
  /** Runs a command line on the configuration of a fresh folder. */
  run(line: string, stdin?: string): Promise<Ran>;
  text(): string;
  /** What was shown meanwhile. */
  readonly shown: string[];
}

function shell(text = TEXT): Shell {
  const dir = Deno.makeTempDirSync();
  const path = join(dir, "config.yaml");
  Deno.writeTextFileSync(path, text, { mode: 0o640 });
  const shown: string[] = [];
  return {
    dir,
    path,
    shown,
    text: () => Deno.readTextFileSync(path),
    [Symbol.dispose]: () => Deno.removeSync(dir, { recursive: true }),
    async run(line, stdin = "") {
      const printed: string[] = [];
      const print = (text: string) => void printed.push(text.replaceAll(dir, "DIR"));
      const world = {
        env: (name: string) => name === "POINTSMAN_CONFIG" ? path : undefined,
        stdin: () => Promise.resolve(stdin),
        print,
        printError: print,
        progress: (text: string) => void shown.push(text),
        now: () => NOW,
      };
      const program = new Command("pointsman").exitOverride()
        .configureOutput({ writeOut: print, writeErr: print });
      configCommands(parts, () => Promise.resolve([]))(program, world);
      tokenCommands(parts)(program, world);
      try {
        await program.parseAsync(line.split(" "), { from: "user" });
        return { out: printed.join("\n"), code: 0 };
      } catch (error) {
        if (!(error instanceof ExitError)) throw error;
        const message = error.message.replaceAll(dir, "DIR");
        return { out: [...printed, message].filter(Boolean).join("\n"), code: error.code };
      }
    },
  };
}

const tokenIn = (out: string) => /rtr_\S+_[0-9A-Za-z]{43}/.exec(out)?.[0] ?? "";

Deno.test("config validate prints the totals, and fails on errors", async () => {
  using good = shell();
  assert.deepEqual(await good.run("config validate"), { out: "0 errors, 0 warnings", code: 0 });
  using bad = shell(`sever: {}\n${BASE}`);
  assert.deepEqual(await bad.run("config validate"), {
    out: 'DIR/config.yaml:1:1: sever: unknown key; did you mean "server"?\n1 error, 0 warnings',
    code: 1,
  });
});

Deno.test("commands say that they read the configuration, which may be long", async () => {
  using at = shell();
  const said = [`Reading ${at.path} ...`, ""];
  for (const line of ["config validate", "config show", "tokens list"]) {
    await at.run(line);
    assert.deepEqual(at.shown.splice(0), said, line);
  }
});

Deno.test("config validate --json prints problems for programs", async () => {
  using bad = shell(`sever: {}\n${BASE}`);
  const { out, code } = await bad.run("config validate --json");
  assert.equal(code, 1);
  assert.deepEqual(JSON.parse(out), [{
    severity: "error",
    code: "unknown-key",
    path: "sever",
    file: "DIR/config.yaml",
    line: 1,
    column: 1,
    message: "unknown key",
    suggestion: "server",
  }]);
});

Deno.test("config validate --strict fails on warnings", async () => {
  using warned = shell(BASE.slice(0, BASE.indexOf("callers:")));
  assert.equal((await warned.run("config validate")).code, 0);
  assert.equal((await warned.run("config validate --strict")).code, 1);
});

Deno.test("config validate of a file that is not there is one problem", async () => {
  using at = shell();
  const { out, code } = await at.run(`config validate --config ${at.dir}/none.yaml`);
  assert.equal(code, 1);
  assert.match(out, /^DIR\/none\.yaml:1:1: the file does not exist; .*--quickstart.*\n1 error, 0/);
});

Deno.test("config validate of a file that is no text says so", async () => {
  using at = shell();
  Deno.writeFileSync(`${at.dir}/latin.yaml`, new Uint8Array([0x23, 0xe9]));
  const { out, code } = await at.run(`config validate --config ${at.dir}/latin.yaml`);
  assert.equal(code, 1);
  assert.match(out, /latin\.yaml:1:1: cannot read the file: it is not UTF-8\n/);
});

Deno.test("config show prints a part, and no secret", async () => {
  using at = shell();
  const { out } = await at.run("config show callers[0]");
  assert.match(out, /token_sha256: "?\*\*\*"?/);
  assert.equal((await at.run("config show server.logging.level --json")).out, '"info"');
  for (
    const [path, why] of [
      ["nope", 'there is no "nope"; there are server, state_path, '],
      ["models.dmo", 'there is no "dmo"; did you mean "demo"?'],
      ["models.demo.targets[7]", "there is no [7]; the list has 1"],
      ["models[", "expected a path such as models.fast.targets[0]"],
    ] as const
  ) {
    const refused = await at.run(`config show ${path}`);
    assert.equal(refused.code, 1);
    assert(refused.out.startsWith(`Cannot show ${path}: ${why}`), refused.out);
  }
});

Deno.test("config schema prints JSON Schema, or the reference", async () => {
  using at = shell();
  assert.equal(JSON.parse((await at.run("config schema")).out).type, "object");
  assert.match((await at.run("config schema --markdown")).out, /# Configuration/);
});

Deno.test("tokens generate activates nothing by itself", async () => {
  using at = shell();
  const { out } = await at.run(
    "tokens generate --owner-user ana --project shop --env prod --allow demo",
  );
  const token = tokenIn(out);
  assert.match(token, /^rtr_pointsman_ana_shop_prod_k20261120b_/);
  assert.ok(out.includes(`token_sha256: ${tokenDigestHex(token)}`));
  assert.match(out, /id: shop-prod-2/);
  assert.equal(at.text(), TEXT);
});

Deno.test("tokens generate --write adds the caller, and comments and mode stay", async () => {
  using at = shell();
  const { out } = await at.run(
    "tokens generate --owner-user ana --project shop --env ci --allow demo --id new " +
      `--expires 2027-01-01T00:00:00Z --out ${at.dir}/new.token --write --json`,
  );
  const { token, token_sha256: hash, caller } = JSON.parse(out);
  assert.equal(token, null);
  const written = Deno.readTextFileSync(`${at.dir}/new.token`).trim();
  assert.equal(tokenDigestHex(written), hash);
  assert.equal(caller.id, "new");
  assert.equal((Deno.statSync(`${at.dir}/new.token`).mode ?? 0) & 0o777, 0o600);
  assert.equal((Deno.statSync(at.path).mode ?? 0) & 0o777, 0o640);
  for (const comment of ["# Head", "# The build machine", "# keep", "# Tail"]) {
    assert.ok(at.text().includes(comment), comment);
  }
  const verified = await at.run("tokens verify", `${written}\n`);
  assert.deepEqual(verified, { out: "new: active until 2027-01-01T00:00:00.000Z", code: 0 });
  const left = [...Deno.readDirSync(at.dir)].map(({ name }) => name).toSorted();
  assert.deepEqual(left, ["config.yaml", "new.token"]);
});

/** Lines of a text that another one does not have. */
function linesBeyond(text: string, other: string): readonly string[] {
  const known = other.split("\n");
  return text.split("\n").filter((line) => !known.includes(line));
}

Deno.test("tokens commands leave every other line of the file as it is", async () => {
  const before = Deno.readTextFileSync("config.example.yaml");
  using at = shell(before);
  const generate =
    "tokens generate --owner-user ana --project shop --env prod --allow fast --write";
  assert.match((await at.run(generate)).out, /\nCaller "shop-prod-2" added to DIR\/config\.yaml$/);
  assert(at.text().startsWith(`${before}  - id: shop-prod-2\n    owner_user: ana\n`), at.text());
  const added = at.text();
  const rotated = await at.run("tokens rotate --id shop-prod --write");
  assert.match(
    rotated.out,
    /\nCaller "shop-prod" has a new token, and its old one until 20.*Z, in DIR/,
  );
  const own = /^ {4,8}(?:- )?(?:token_(?:id|sha256)|previous_tokens|valid_until):/;
  for (const line of linesBeyond(at.text(), added)) assert.match(line, own);
  assert.equal(linesBeyond(added, at.text()).length, 2, "the token and its id");
  const old = /token_sha256: (\w+)/.exec(added)![1]!;
  assert(at.text().includes(`      - token_sha256: ${old}\n`));
  const revoked = await at.run("tokens revoke --id shop-prod --write");
  assert.equal(revoked.out, 'Caller "shop-prod" disabled in DIR/config.yaml');
  assert.deepEqual(linesBeyond(at.text(), added).map((line) => line.trim().split(":")[0]), [
    "token_id",
    "token_sha256",
    "status",
  ]);
});

const WITHOUT = BASE.slice(0, BASE.indexOf("callers:"));
for (
  const [form, text] of [
    ["is not there", WITHOUT.trimEnd()],
    ["is empty", `${WITHOUT}callers: [] # none yet\n# Tail\n`],
    [
      "is written in a line",
      `${WITHOUT}callers: [{ id: ci, token_sha256: "${"ab".repeat(32)}" }]\n`,
    ],
    ["ends without a newline", TEXT.replace("# Tail\n", "").trimEnd()],
    [
      "ends with a text of lines",
      `${WITHOUT}callers:\n- id: ci\n  token_sha256: |-\n    ${"ab".repeat(32)}\n`,
    ],
  ] as const
) {
  Deno.test(`tokens commands edit a list of callers that ${form}`, async () => {
    using at = shell(text);
    const made = await at.run(
      "tokens generate --owner-user ana --project shop --env new --allow demo --write",
    );
    assert.equal(made.code, 0, made.out);
    const again = await at.run("tokens rotate --id shop-new --write");
    assert.equal(again.code, 0, again.out);
    assert.match(
      (await at.run("tokens verify", tokenIn(made.out))).out,
      /^shop-new: active until 20/,
    );
    assert.equal((await at.run("tokens verify", tokenIn(again.out))).out, "shop-new: active");
    assert.equal((await at.run("tokens revoke --id shop-new --write")).code, 0);
    assert.match(at.text(), /status: "?disabled/);
  });
}

Deno.test("tokens generate never overwrites a file, and then changes nothing", async () => {
  using at = shell();
  Deno.writeTextFileSync(`${at.dir}/there`, "mine");
  const { out, code } = await at.run(
    `tokens generate --owner-user a --project b --env c --allow demo --out ${at.dir}/there --write`,
  );
  assert.equal(out, "Cannot write the token: DIR/there exists, and is never overwritten");
  assert.equal(code, 1);
  assert.equal(at.text(), TEXT);
  assert.equal(Deno.readTextFileSync(`${at.dir}/there`), "mine");
});

Deno.test("tokens generate refuses a group that is not there", async () => {
  using at = shell();
  const { out, code } = await at.run(
    "tokens generate --owner-user a --project b --env c --allow dmeo",
  );
  assert.equal(code, 1);
  assert.match(out, /no group is named "dmeo"; did you mean "demo"\?/);
});

Deno.test("tokens rotate keeps the old token for the grace", async () => {
  using at = shell();
  const first = await at.run("tokens rotate --id SHOP-PROD --write");
  const second = await at.run("tokens rotate --id shop-prod --grace 1h --write");
  assert.match(tokenIn(second.out), /_k20261120c_/);
  assert.deepEqual(await at.run("tokens verify", tokenIn(first.out)), {
    out: "shop-prod: active until 2026-11-20T13:00:00.000Z",
    code: 0,
  });
  assert.match(at.text(), /valid_until: 2026-11-20T13:00:00\.000Z/);
  assert.match(at.text(), new RegExp(`- token_sha256: ${"cd".repeat(32)}`));
  const third = await at.run("tokens rotate --id shop-prod --write");
  assert.equal(third.code, 1);
  assert.match(third.out, /already has 2 previous tokens that are valid/);
  assert.equal((await at.run("tokens rotate --id shop-prod --grace 0s --write")).code, 0);
  assert.equal((await at.run("tokens verify", tokenIn(second.out))).code, 1);
});

Deno.test("tokens rotate and revoke show the caller as the file has it, for people and programs", async () => {
  const quota = "    quota: { day: { cost_usd: 12.5 } }\n    expires_at: 2030-01-31T00:00:00Z\n";
  using at = shell(TEXT.replace("# Tail\n", `${quota}# Tail\n`));
  const shown = await at.run("tokens rotate --id shop-prod");
  assert.match(shown.out, /quota:\n {6}day:\n {8}cost_usd: 12\.5\n/);
  const { out, code } = await at.run("tokens rotate --id shop-prod --write --json");
  assert.equal(code, 0);
  const { token, token_sha256: digest, caller } = JSON.parse(out);
  assert.equal(tokenDigestHex(token), digest);
  assert.deepEqual([caller.id, caller.token_sha256], ["shop-prod", digest]);
  assert.deepEqual(caller.quota, { day: { cost_usd: 12.5 } });
  assert.equal(caller.expires_at, "2030-01-31T00:00:00Z");
  assert.equal((await at.run("tokens verify", token)).code, 0);
  const revoked = JSON.parse((await at.run("tokens revoke --id shop-prod --write --json")).out);
  assert.deepEqual([revoked.caller.status, revoked.caller.token_sha256], ["disabled", digest]);
});

Deno.test("tokens rotate takes a grace of 30 days at most", async () => {
  using at = shell();
  const { out, code } = await at.run("tokens rotate --id shop-prod --grace 31d");
  assert.deepEqual([out, code], ['Cannot rotate: --grace "31d" is not 0s to 30d', 2]);
});

Deno.test("tokens revoke disables a caller and drops its previous tokens", async () => {
  using at = shell();
  const { out } = await at.run("tokens rotate --id shop-prod --write");
  await at.run("tokens revoke --id shop-prod --write");
  assert.ok(!at.text().includes("previous_tokens"));
  const verified = await at.run("tokens verify --json", tokenIn(out));
  assert.equal(verified.code, 1);
  assert.equal(JSON.parse(verified.out.trim()).state, "key-disabled");
});

Deno.test("tokens list tells callers and states, and no hash", async () => {
  using at = shell();
  const { out } = await at.run("tokens list");
  assert.match(
    out,
    /^ci +active +- +demo\nshop-prod +active +rtr_pointsman_ana_shop_prod_k20261120/,
  );
  assert.ok(!out.includes("abab") && !out.includes("cdcd"));
  assert.equal(JSON.parse((await at.run("tokens list --json")).out).length, 2);
});

Deno.test("tokens of a caller that is not there are an error", async () => {
  using at = shell();
  const { out, code } = await at.run("tokens revoke --id nobody");
  assert.deepEqual([out, code], ['Cannot find a caller: none has the id "nobody"', 1]);
  assert.equal((await at.run("tokens verify", "rtr_nobody_knows_this_token")).code, 1);
});
