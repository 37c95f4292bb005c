import assert from "node:assert/strict";
import { loadConfig } from "@/core/config/load.ts";
import { formatProblems, pathText } from "@/core/config/problem.ts";
import { configJsonSchema } from "@/core/config/schema.ts";
import { effectiveConfig, partAt } from "@/core/config/show.ts";
import { suggest } from "@/core/config/suggest.ts";
import { BASE, load, loaded, NOW, parts, problems, sources } from "./config_support.ts";

const group = (yaml: string, env = {}) => loaded(yaml, { env }).snapshot.groups.get("demo")!;

Deno.test("config without server takes every default", () => {
  const { server, groups } = loaded(BASE).snapshot;
  assert.deepEqual(server.listen, { hostname: "127.0.0.1", port: 8080 });
  assert.equal(server.maxRequestBytes, 32 * 2 ** 20);
  assert.equal(server.logging.maxUnshippedBytes, 4096 * 2 ** 20);
  assert.ok(server.logging.path.startsWith("/") && server.usageDb.path.startsWith("/"));
  assert.deepEqual(server.clientIp.headerOrder, ["x-forwarded-for", "x-real-ip"]);
  const demo = groups.get("demo")!;
  assert.equal(demo.strategy, "weighted");
  assert.equal(demo.retry.totalDeadlineMs, 600_000);
  assert.deepEqual(demo.estimates, { imageTokens: 1024, defaultOutputTokens: 4096 });
});

Deno.test("config takes --listen for its address, and judges the demo token by it", () => {
  const listening = (yaml: string, listen: string) =>
    loadConfig("config.yaml", sources(yaml), { ...parts, listen });
  const open = listening(`server: { listen: "127.0.0.1:1" }\n${BASE}`, ":9");
  assert.deepEqual(open.ok && open.snapshot.server.listen, { hostname: "0.0.0.0", port: 9 });
  const demo = "074a3c309e657690bd44f0c204410435812df98b08090025b42e503629f66dbb";
  const yaml = BASE.replace(/[0-9a-f]{64}/, demo);
  assert.equal(listening(yaml, "127.0.0.1:9").ok, true);
  const refused = listening(yaml, ":9");
  assert.match(formatProblems(refused.problems), /the demo token is public/);
});

Deno.test("config gives an in-process upstream every capability that is not stated", () => {
  const [target] = group(
    BASE.replace("model: echo }", "model: echo, context_tokens: 7, input_modalities: [text] }"),
  ).targets;
  assert.equal(target!.contextTokens, 7);
  assert.deepEqual(target!.inputModalities, ["text"]);
  assert.deepEqual(target!.inboundDialects, ["openai-chat"]);
  assert.equal(target!.toolSupport["openai-chat"].length, 5);
  assert.equal(target!.reasoning.supported, true);
  assert.deepEqual([target!.prices.input, target!.prices.cachedInput, target!.prices.perImage], [
    0n,
    0n,
    0n,
  ]);
});

const CATALOG = `
providers:
  acme:
    base_url: https://api.acme.example/v1/
    dialect: openai-chat
    api_key: \${ACME_KEY}
    headers: { X-Team: a }
    models:
      swift:
        model: acme/swift-2
        context_tokens: 100
        input_price_per_million_usd: 0.25
        output_price_per_million_usd: 2
        cached_input_price_per_million_usd: 0.000000001
        reasoning: { supported: true, efforts: [low] }
        image_tokens: 500
models:
  demo:
    strategy: \${STRATEGY}
    targets:
      - { provider: acme, model_ref: swift }
      - { provider: acme, model_ref: swift, enabled: false }
      - { provider: acme, model_ref: swift, reasoning: { mode: always_on }, image_tokens: 9000 }
      - { provider: acme, model: raw, id: acme/swift#2, weight: "\${WEIGHT}" }
callers:
  - { id: " CI ", token_sha256: ${
  "AB".repeat(32)
}, allow: [demo], expires_at: "2027-01-01T00:00:00Z" }
`;
const ENV = { ACME_KEY: "hunter2", STRATEGY: "failover", WEIGHT: "7" };

Deno.test("config folds a catalog model into its targets, and the target's key wins whole", () => {
  const { targets, estimates } = group(CATALOG, ENV);
  assert.deepEqual(targets.map(({ id, groupIndex }) => [id, groupIndex]), [
    ["acme/swift", 0],
    ["acme/swift#4", 2],
    ["acme/swift#2", 3],
  ]);
  assert.deepEqual(targets.map(({ model }) => model), ["acme/swift-2", "acme/swift-2", "raw"]);
  assert.deepEqual(targets.map(({ reasoning }) => reasoning.supported), [true, false, false]);
  assert.equal(targets[0]!.contextTokens, 100);
  assert.equal(estimates.imageTokens, 9000);
  assert.equal(targets[0]!.key, targets[1]!.key);
});

Deno.test("config reads prices as nano-USD, and the input price stands in for others", () => {
  const [first, , raw] = group(CATALOG, ENV).targets;
  assert.deepEqual(first!.prices, {
    input: 250_000_000n,
    cachedInput: 1n,
    cacheWrite: 250_000_000n,
    output: 2_000_000_000n,
    image: 250_000_000n,
    perImage: null,
    source: "",
    updatedAt: "",
  });
  assert.equal(raw!.prices.input, null);
  assert.equal(raw!.prices.cacheWrite, null);
});

Deno.test("config replaces references, and one reference alone takes the type of its key", () => {
  const demo = group(CATALOG, ENV);
  assert.equal(demo.strategy, "failover");
  assert.equal(demo.targets[2]!.weight, 7);
  const literal = CATALOG.replace("X-Team: a", () => 'X-Team: "$${A} $B ${ACME_KEY}-${WEIGHT}"');
  assert.equal(group(literal, ENV).targets[0]!.provider.headers["x-team"], "${A} $B hunter2-7");
});

Deno.test("config keeps a reference a text where a text belongs", () => {
  const provider = group(CATALOG, { ...ENV, ACME_KEY: "123456" }).targets[0]!.provider;
  assert.deepEqual(provider.credential, ["authorization", "Bearer 123456"]);
});

Deno.test("config sends a key as the dialect or auth_scheme asks", () => {
  const credential = (yaml: string) => group(yaml, ENV).targets[0]!.provider.credential;
  const anthropic = CATALOG.replace("openai-chat", "anthropic");
  assert.deepEqual(credential(CATALOG), ["authorization", "Bearer hunter2"]);
  assert.deepEqual(credential(anthropic), ["x-api-key", "hunter2"]);
  const none = CATALOG.replace("api_key:", "auth_scheme: none\n    api_key:");
  assert.equal(credential(none), null);
  assert.equal(group(CATALOG, ENV).targets[0]!.provider.baseUrl, "https://api.acme.example/v1");
});

Deno.test("config takes variables of the process before those of env.json", () => {
  const envFile = JSON.stringify({ ACME_KEY: "file", STRATEGY: "static", WEIGHT: "1" });
  const { snapshot } = loaded(CATALOG, { env: { ACME_KEY: "process", WEIGHT: "" }, envFile });
  const [target] = snapshot.groups.get("demo")!.targets;
  assert.deepEqual(target!.provider.credential, ["authorization", "Bearer process"]);
  assert.equal(snapshot.groups.get("demo")!.strategy, "static");
});

Deno.test("config with a key that is not set loads, warns and marks the provider", () => {
  const yaml = CATALOG.replace("api_key: ${ACME_KEY}", "api_key_env: ACME_KEY");
  for (const [text, place] of [[CATALOG, "6:14"], [yaml, "6:18"]] as const) {
    const given = { env: { ...ENV, ACME_KEY: "" } };
    const result = loaded(text, given);
    const { provider } = result.snapshot.groups.get("demo")!.targets[0]!;
    assert.deepEqual([provider.credentialMissing, provider.credential], [true, null]);
    const key = text === yaml ? "api_key_env" : "api_key";
    assert.deepEqual(problems(text, given), [
      `config.yaml:${place}: warning: providers.acme.${key}: variable "ACME_KEY" is not set; ` +
      "its targets are not used",
      "config.yaml:18:3: warning: models.demo: no target can be used: their providers have no key",
    ]);
  }
});

Deno.test("config warns of a base URL that ends in what is added to it", () => {
  const based = (url: string, dialect: string) =>
    problems(
      BASE.replace("callers:", `  other: { targets: [{ provider: other, model: m }] }\ncallers:`)
        .replace("models:", `  other: { base_url: "${url}", dialect: ${dialect} }\nmodels:`),
    );
  const fine = [
    ["https://a.example/v1", "openai-chat"],
    ["https://a.example/v1/responsesx", "openai-responses"],
    ["https://a.example/anthropic", "anthropic"],
  ] as const;
  for (const [url, dialect] of fine) assert.deepEqual(based(url, dialect), []);
  const long = [
    ["https://a.example/v1/chat/completions/", "openai-chat", "/chat/completions", "/v1"],
    ["https://a.example/v1/responses", "openai-responses", "/responses", "/v1"],
    ["https://a.example/v1", "anthropic", "/v1", ""],
    ["https://a.example/v1/messages", "anthropic", "/v1/messages", ""],
  ] as const;
  for (const [url, dialect, twice, before] of long) {
    const [problem, ...others] = based(url, dialect);
    const added = dialect === "anthropic" ? "/v1/messages" : twice;
    const said = `calls go to "${before}${twice}${added}": leave out "${twice}" at its end`;
    assert(problem?.endsWith(`warning: providers.other.base_url: ${said}`), problem);
    assert.deepEqual(others, []);
  }
});

Deno.test("config warns of missing callers, and of one that expires soon", () => {
  assert.deepEqual(problems(BASE.slice(0, BASE.indexOf("callers:"))), [
    'config.yaml:1:1: warning: callers: no caller is configured; make one with "pointsman tokens ' +
    'generate"',
  ]);
  const soon = BASE.replace("allow:", 'expires_at: "2026-11-22T13:00:00+01:00", allow:');
  assert.deepEqual(problems(soon), [
    'config.yaml:6:107: warning: callers[0].expires_at: caller "ci" expires in 2 days',
  ]);
});

Deno.test("config warns of a hedge that no call can ever get", () => {
  const one = "{ provider: echo, model: echo }";
  const hedged = (targets: readonly string[], hedge = "", more = "") =>
    problems(
      BASE.replace(`[${one}]`, `[${targets.join(", ")}], hedge: { enabled: true${hedge} }${more}`),
    ).map((line) => line.replace(/^.*models\./, ""));
  const told = (reason: string) => [`demo.hedge: no call ever gets a hedge: ${reason}`];
  const disabled = "{ provider: echo, model: echo, enabled: false }";
  const alone = told("the group has no second target that can be used");
  assert.deepEqual(hedged([one]), alone);
  assert.deepEqual(hedged([one, disabled]), alone);
  assert.deepEqual(hedged([one, one], ", max_percent: 0"), told('"max_percent" is 0'));
  assert.deepEqual(
    hedged([one, one], "", ", retry: { max_attempts: 1 }"),
    told('"retry.max_attempts" is 1'),
  );
  assert.deepEqual(hedged([one, one]), []);
});

Deno.test("config finds callers by any of their tokens", () => {
  const { snapshot } = loaded(BASE.replace(
    "allow:",
    `token_id: new, previous_tokens: [{ token_sha256: ${"CD".repeat(32)}, token_id: old,` +
      ` valid_until: "2026-11-21T00:00:00Z" }], allow:`,
  ));
  const current = snapshot.credentials.get("ab".repeat(32))!;
  const old = snapshot.credentials.get("cd".repeat(32))!;
  assert.equal(current.caller, old.caller);
  assert.deepEqual([current.tokenId, current.validUntil], ["new", null]);
  assert.deepEqual([old.tokenId, old.validUntil], ["old", Date.UTC(2026, 10, 21)]);
  assert.equal(old.digest, "cd".repeat(32));
  assert.deepEqual([...current.caller.allow], ["demo"]);
});

Deno.test("config normalises ids", () => {
  const { callers } = loaded(CATALOG, { env: ENV }).snapshot;
  assert.deepEqual([...callers.keys()], ["ci"]);
  assert.equal(callers.get("ci")!.expiresAt, Date.UTC(2027, 0, 1));
});

Deno.test("config merges maps and follows anchors", () => {
  const yaml = BASE.replace("{ provider: echo, model: echo }", "&t { provider: echo, model: echo }")
    .replace("callers:", "  more: { targets: [{ <<: *t, weight: 3 }, *t] }\ncallers:");
  const { targets } = loaded(yaml).snapshot.groups.get("more")!;
  assert.deepEqual(targets.map(({ id, weight }) => [id, weight]), [["echo/echo", 3], [
    "echo/echo#2",
    1,
  ]]);
});

Deno.test("config reads JSON, and keys that look like numbers", () => {
  const json = JSON.stringify({
    providers: { echo: { base_url: "builtin:echo", dialect: "anthropic" } },
    models: { "4": { targets: [{ provider: "echo", model: "echo" }] } },
  });
  assert.deepEqual([...loaded(json).snapshot.groups.keys()], ["4"]);
  const yaml = BASE.replace("  demo:", "  4:").replace("[demo]", '["4"]');
  assert.deepEqual([...loaded(yaml).snapshot.groups.keys()], ["4"]);
});

Deno.test("config lists a group with what its targets have in common", () => {
  const { listed } = group(
    CATALOG.replace(
      "context_tokens: 100",
      "context_tokens: 100\n" +
        "        request_shape_support: { max_requested_output_tokens: 50 }",
    ),
    ENV,
  );
  assert.deepEqual(listed, {
    id: "demo",
    created: NOW / 1000,
    displayName: "demo",
    notes: null,
    contextTokens: 100,
    maxOutputTokens: 50,
    reasoning: { efforts: ["low"], defaultEffort: "low", summaries: false },
  });
});

Deno.test("fingerprints change with settings and prices, and not with secrets", () => {
  const prints = (yaml: string, env = {}) => {
    const { snapshot } = loaded(yaml, { env: { ...ENV, ...env } });
    const { fingerprint, pricingFingerprint } = snapshot;
    return [fingerprint, snapshot.groups.get("demo")!.fingerprint, pricingFingerprint] as const;
  };
  const before = prints(CATALOG);
  for (const print of before) assert.match(print, /^[0-9a-f]{32}$/);
  assert.deepEqual(prints(CATALOG.replace("X-Team: a", "X-Team: b"), { ACME_KEY: "x" }), before);
  const priced = prints(CATALOG.replace("usd: 2\n", "usd: 3\n"));
  assert.ok(priced.every((print, index) => print !== before[index]));
  const weighted = prints(CATALOG, { WEIGHT: "8" });
  assert.notEqual(weighted[1], before[1]);
  assert.equal(weighted[2], before[2]);
});

Deno.test("snapshot is frozen", () => {
  const { snapshot } = loaded(BASE);
  const demo = snapshot.groups.get("demo")!;
  for (const part of [snapshot, snapshot.server.logging, demo, demo.targets, demo.targets[0]!]) {
    assert.ok(Object.isFrozen(part));
  }
});

Deno.test("config that is missing or not readable is one problem", () => {
  const missing = load(BASE).files.map((file) => file.split("/").at(-1));
  assert.deepEqual(missing, ["config.yaml", "env.json"]);
});

Deno.test("config reports at most 100 problems, and all of them in the totals", () => {
  const keys = Array.from({ length: 120 }, (_, index) => `q${index}xyz: 1`).join("\n");
  const result = load(`${keys}\n${BASE}`);
  const lines = formatProblems(result.problems).split("\n");
  assert.equal(lines.length, 101);
  assert.equal(lines.at(-1), "120 errors, 0 warnings");
});

Deno.test("paths quote keys that hold a dot", () => {
  assert.equal(pathText(["providers", "a.b", "models", 0]), 'providers."a.b".models[0]');
});

Deno.test("suggestions are near, and alphabetical when equally near", () => {
  assert.equal(suggest("wieght", ["height", "weight"]), "weight");
  assert.equal(suggest("ab", ["zz", "ac", "aa"]), "aa");
  assert.equal(suggest("provider", ["weight"]), null);
});

Deno.test("config show hides secrets and fills in defaults", () => {
  const shown = effectiveConfig(loaded(CATALOG, { env: ENV }));
  const text = JSON.stringify(shown);
  assert.ok(!text.includes("hunter2") && !text.toLowerCase().includes("abab"));
  assert.equal(partAt(shown, "providers.acme.headers.X-Team"), "***");
  assert.equal(partAt(shown, "providers.acme.auth_scheme"), "bearer");
  assert.equal(partAt(shown, "models.demo.retry.total_deadline_ms"), 600_000);
  assert.equal(partAt(shown, "models.demo.targets[2].id"), "acme/swift#4");
  assert.equal(partAt(shown, "providers.acme.models.swift.input_price_per_million_usd"), 0.25);
  assert.equal(partAt(shown, "callers[0].expires_at"), "2027-01-01T00:00:00.000Z");
  assert.equal(partAt(shown, "models.nope"), undefined);
});

Deno.test("JSON Schema tells descriptions, defaults and what is required", () => {
  const schema = JSON.parse(JSON.stringify(configJsonSchema(parts.strategies)));
  assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  assert.deepEqual(schema.required, ["providers", "models"]);
  const { listen } = schema.properties.server.properties;
  assert.equal(listen.default, "127.0.0.1:8080");
  assert.match(listen.description, /every interface/);
});

Deno.test("the example configuration has no problem", () => {
  const yaml = Deno.readTextFileSync(new URL("../config.example.yaml", import.meta.url));
  const envFile = Deno.readTextFileSync(new URL("../env.example.json", import.meta.url));
  assert.deepEqual(problems(yaml, { envFile }), []);
});
