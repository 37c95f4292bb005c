import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig } from "@/core/config/load.ts";
import { diskSources } from "@/core/config/sources.ts";
import { prepareQuickstart, quickstartBanner } from "@/core/quickstart.ts";
import { tokenDigestHex } from "@/core/tokens.ts";
import { NOW, parts } from "./config_support.ts";

const io = {
  now: () => NOW,
  random: (size: number) => crypto.getRandomValues(new Uint8Array(size)),
};

function inFolder(test: (dir: string) => void): () => void {
  return () => {
    const dir = Deno.makeTempDirSync();
    try {
      test(dir);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  };
}

const mode = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o777;

Deno.test(
  "quickstart writes a configuration that loads, and its token for its owner only",
  inFolder((dir) => {
    const { configPath, token, group } = prepareQuickstart(dir, io);
    assert.match(token ?? "", /^rtr_pointsman_demo_demo_dev_k20261120_[0-9A-Za-z]{43}$/);
    assert.equal(mode(join(dir, "state", "quickstart.token")), 0o600);
    assert.equal(mode(join(dir, "state")), 0o700);
    const sources = diskSources({ env: () => undefined, now: () => NOW });
    const result = loadConfig(configPath, sources, parts);
    assert.ok(result.ok);
    assert.deepEqual(result.problems, []);
    const credential = result.snapshot.credentials.get(tokenDigestHex(token!));
    assert.deepEqual([...credential!.caller.allow], [group]);
    const dialects = result.snapshot.groups.get(group)!.targets.map(({ dialect }) => dialect);
    assert.deepEqual(dialects.toSorted(), ["anthropic", "openai-chat", "openai-responses"]);
  }),
);

Deno.test(
  "quickstart keeps what an earlier one wrote",
  inFolder((dir) => {
    const first = prepareQuickstart(dir, io);
    const text = Deno.readTextFileSync(first.configPath);
    assert.deepEqual(prepareQuickstart(dir, io), first);
    assert.equal(Deno.readTextFileSync(first.configPath), text);
    Deno.removeSync(first.configPath);
    assert.deepEqual(prepareQuickstart(dir, io), first);
    const left = [...Deno.readDirSync(dir)].map(({ name }) => name).toSorted();
    assert.deepEqual(left, ["config.yaml", "state"]);
  }),
);

Deno.test(
  "quickstart leaves a configuration of someone else alone, and shows no token",
  inFolder((dir) => {
    Deno.writeTextFileSync(join(dir, "config.yaml"), "providers: {}\n");
    assert.equal(prepareQuickstart(dir, io).token, null);
    assert.equal(Deno.readTextFileSync(join(dir, "config.yaml")), "providers: {}\n");
    Deno.mkdirSync(join(dir, "state"));
    Deno.writeTextFileSync(join(dir, "state", "quickstart.token"), "rtr_of_another_config\n");
    assert.equal(prepareQuickstart(dir, io).token, null);
  }),
);

Deno.test("quickstart banner has a line for each dialect, and says when there is no token", () => {
  const banner = quickstartBanner("http://127.0.0.1:8080", "rtr_x", "demo");
  for (const path of ["chat/completions", "responses", "messages"]) {
    assert.ok(banner.includes(`curl http://127.0.0.1:8080/v1/${path} `));
  }
  const bodies = [...banner.matchAll(/-d '(.*)'/g)].map(([_, body]) => JSON.parse(body!));
  assert.deepEqual(bodies.map(({ model }) => model), ["demo", "demo", "demo"]);
  assert.match(quickstartBanner("http://[::1]:1", null, "demo"), /served as it is/);
});
