import assert from "node:assert/strict";
import { BASE, type Given, problems } from "./config_support.ts";

interface Case {
  readonly name: string;
  readonly yaml: string;
  readonly given?: Given;
  readonly expected: readonly string[];
}

const HEX = "ab".repeat(32);
const OTHER = "cd".repeat(32);

/** `BASE` with lines before it; they begin in line 1. */
const top = (yaml: string) => `${yaml}\n${BASE}`;
/** `BASE` with keys of its group; they begin in line 4, column 11. */
const group = (keys: string) => BASE.replace("targets:", `${keys}, targets:`);
/** `BASE` with keys of its target; they begin in line 4, column 52. */
const target = (keys: string) => BASE.replace("model: echo }", `model: echo, ${keys} }`);
/** `BASE` with keys of its provider; they begin in line 2, column 59. */
const provider = (keys: string) => BASE.replace("openai-chat }", `openai-chat, ${keys} }`);
/** `BASE` with another caller in line 7. */
const caller = (keys: string) => `${BASE}  - { id: b, token_sha256: ${OTHER}, ${keys} }\n`;

const CASES: readonly Case[] = [
  {
    name: "an empty file",
    yaml: "",
    expected: ["config.yaml:1:1: expected a map, found nothing"],
  },
  {
    name: "a file without its required keys",
    yaml: "server: {}\n",
    expected: [
      'config.yaml:1:1: missing key "providers"; expected a map',
      'config.yaml:1:1: missing key "models"; expected a map',
    ],
  },
  {
    name: "text that is no YAML",
    yaml: 'server: { listen: "x\n',
    expected: [
      "config.yaml:2:1: cannot read as YAML: a closing quote or bracket, a colon, a comma or a blank is missing",
    ],
  },
  {
    name: "a reference that needs quotes",
    yaml: group("attempt_timeout_ms: ${LIMIT}"),
    expected: ["config.yaml:4:32: cannot read as YAML: quote ${...} inside { } and [ ]"],
  },
  {
    name: "broken text without quoting from it",
    yaml: "providers: { a: { api_key: hunter2 hunter3: }\n",
    expected: ["config.yaml:1:28: cannot read as YAML: the syntax is wrong here"],
  },
  {
    name: "an alias without its anchor",
    yaml: top("state_path: *x"),
    expected: [
      "config.yaml:1:13: state_path: no anchor of this name stands before this alias",
    ],
  },
  {
    name: "a second document",
    yaml: `${BASE}---\na: 1\n`,
    expected: ["config.yaml:7:1: cannot read as YAML: the file holds more than one document"],
  },
  {
    name: "a custom tag",
    yaml: top("state_path: !env X"),
    expected: ["config.yaml:1:13: cannot read as YAML: custom tags are not allowed"],
  },
  {
    name: "a repeated key",
    yaml: top("state_path: a\nstate_path: b"),
    expected: ["config.yaml:2:1: state_path: duplicate key; the first is in line 1"],
  },
  {
    name: "an unknown key at the top",
    yaml: top("sever: {}"),
    expected: ['config.yaml:1:1: sever: unknown key; did you mean "server"?'],
  },
  {
    name: "an unknown key that is like no other",
    yaml: top("zebra: {}"),
    expected: ["config.yaml:1:1: zebra: unknown key"],
  },
  {
    name: "an unknown key deep inside",
    yaml: target("wieght: 3"),
    expected: [
      'config.yaml:4:52: models.demo.targets[0].wieght: unknown key; did you mean "weight"?',
    ],
  },
  {
    name: "a column after characters of two units",
    yaml: target('display_name: "𝕏é", wieght: 3'),
    expected: [
      'config.yaml:4:72: models.demo.targets[0].wieght: unknown key; did you mean "weight"?',
    ],
  },
  {
    name: "a name that holds a dot",
    yaml: BASE.replaceAll("demo", "gpt-4.1").replace("targets:", "typo: 1, targets:"),
    expected: ['config.yaml:4:14: models."gpt-4.1".typo: unknown key'],
  },
  {
    name: "a missing key in a map",
    yaml: "providers:\n  acme:\n    base_url: http://a.example\nmodels: {}\ncallers: []\n",
    expected: [
      'config.yaml:2:3: providers.acme: missing key "dialect"; expected openai-chat, ' +
      "openai-responses or anthropic",
    ],
  },
  {
    name: "a missing key in an item of a list",
    yaml: `${BASE}  - { id: b }\n`,
    expected: ['config.yaml:7:5: callers[1]: missing key "token_sha256"; expected 64 hex digits'],
  },
  {
    name: "a text where a number belongs",
    yaml: group("attempt_timeout_ms: 12o"),
    expected: [
      "config.yaml:4:31: models.demo.attempt_timeout_ms: expected a whole number >= 0, " +
      'found "12o"',
    ],
  },
  {
    name: "numbers out of range",
    yaml: top("server:\n  logging: { keep: -1, rotate_mb: 0 }\n  body_timeout_ms: 1.5"),
    expected: [
      "config.yaml:2:20: server.logging.keep: expected a whole number >= 0, found -1",
      "config.yaml:2:35: server.logging.rotate_mb: expected a whole number >= 1, found 0",
      "config.yaml:3:20: server.body_timeout_ms: expected a whole number >= 0, found 1.5",
    ],
  },
  {
    name: "a ratio and a percentage out of range",
    yaml: group("breaker: { error_rate: 1.5 }, retry: { budget_percent: 101 }"),
    expected: [
      "config.yaml:4:34: models.demo.breaker.error_rate: expected a number from 0 to 1, found 1.5",
      "config.yaml:4:66: models.demo.retry.budget_percent: expected a number from 0 to 100, " +
      "found 101",
    ],
  },
  {
    name: "wrong types",
    yaml: top("server: { expose_rejections: 1, logging: [], usage_db: }\nusers: {}"),
    expected: [
      "config.yaml:1:30: server.expose_rejections: expected true or false, found 1",
      "config.yaml:1:42: server.logging: expected a map, found a list",
      "config.yaml:1:46: server.usage_db: expected a map, found nothing",
      "config.yaml:2:8: users: expected a list, found a map",
    ],
  },
  {
    name: "a word that is not in the list",
    yaml: provider("auth_scheme: baerer"),
    expected: [
      "config.yaml:2:72: providers.echo.auth_scheme: expected bearer, x-api-key or none, " +
      'found "baerer"; did you mean "bearer"?',
    ],
  },
  {
    name: "sizes, amounts, dates, times and blocks that cannot be read",
    yaml: top(
      "server: { max_request_bytes: 32MB, client_ip: { trusted_proxy_cidrs: [10.0.0.1] } }",
    ) + "  - { id: b, expires_at: 2026-11-20 }\n",
    expected: [
      "config.yaml:1:30: server.max_request_bytes: expected bytes as a whole number or as " +
      '"64KiB" or "32MiB", found "32MB"',
      "config.yaml:1:71: server.client_ip.trusted_proxy_cidrs[0]: expected a block of addresses, " +
      'such as "10.0.0.0/8", found "10.0.0.1"',
      'config.yaml:8:5: callers[1]: missing key "token_sha256"; expected 64 hex digits',
      "config.yaml:8:26: callers[1].expires_at: expected a time with zone, such as " +
      '"2026-11-20T08:00:00Z", found "2026-11-20"',
    ],
  },
  {
    name: "prices with too many places, below zero, and a day that is none",
    yaml: target(
      "input_price_per_million_usd: 0.0000000001, output_price_per_million_usd: -1, " +
        "pricing_updated_at: 2026-02-30",
    ),
    expected: [
      "config.yaml:4:81: models.demo.targets[0].input_price_per_million_usd: expected at most 9 " +
      "decimal places, found 1e-10",
      "config.yaml:4:125: models.demo.targets[0].output_price_per_million_usd: expected an amount " +
      "in USD >= 0, found -1",
      "config.yaml:4:149: models.demo.targets[0].pricing_updated_at: expected a date as " +
      'YYYY-MM-DD, found "2026-02-30"',
    ],
  },
  {
    name: "a moment on a day that is none",
    yaml: BASE +
      `  - { id: b, token_sha256: ${"cd".repeat(32)}, expires_at: 2026-02-30T00:00:00Z }\n`,
    expected: [
      "config.yaml:7:106: callers[1].expires_at: expected a time with zone, such as " +
      '"2026-11-20T08:00:00Z", found "2026-02-30T00:00:00Z"',
    ],
  },
  {
    name: "an address to listen on that is none",
    yaml: top("server: { listen: localhost }"),
    expected: [
      'config.yaml:1:19: server.listen: expected "host:port", "[v6]:port" or ":port", ' +
      'found "localhost"',
    ],
  },
  {
    name: "a name with a blank",
    yaml: `${BASE}`.replace("echo: {", '"e o": {').replace("provider: echo", "provider: e"),
    expected: [
      'config.yaml:2:3: providers."e o": expected a name of up to 128 letters, digits and ' +
      ". _ : / - that starts with a letter or digit",
      'config.yaml:4:33: models.demo.targets[0].provider: no provider is named "e"',
    ],
  },
  {
    name: "names that differ only in case",
    yaml: BASE.replace(
      "callers:",
      "  Demo: { targets: [{ provider: echo, model: echo }] }\ncallers:",
    ),
    expected: ['config.yaml:5:3: models.Demo: differs only in case from "demo"'],
  },
  {
    name: "a contract with a region of no target",
    yaml: group("contract: { allowed_regions: [eu] }"),
    expected: [
      'config.yaml:4:40: models.demo.contract.allowed_regions: no target is in the region "eu"',
    ],
  },
  {
    name: "a contract with a tag of no target",
    yaml: group("contract: { quality_floor: { require_tags: [gold] } }"),
    expected: [
      'config.yaml:4:54: models.demo.contract.quality_floor.require_tags: no target has the tag "gold"',
    ],
  },
  {
    name: "a contract with callers that no target takes",
    yaml: group("contract: { supported_api_shapes: [anthropic] }"),
    expected: [
      'config.yaml:4:45: models.demo.contract.supported_api_shapes: no target takes callers of "anthropic"',
    ],
  },
  {
    name: "a contract that no target keeps",
    yaml: group("contract: { required_capabilities: { min_context_tokens: 200000 } }"),
    expected: ["config.yaml:4:21: models.demo.contract: no target keeps it"],
  },
  {
    name: "a shadow without a policy, and a rollout of none",
    yaml: group("shadow: { sample_percent: 5 }, rollout: { percent: 5 }"),
    expected: [
      'config.yaml:4:19: models.demo.shadow: expected exactly one of "script" and "external"',
      'config.yaml:4:42: models.demo.rollout: there is no policy to roll out: strategy "weighted" asks none',
    ],
  },
  {
    name: "an evaluation of a day to come",
    yaml: target("validation: { validated_at: 2026-11-21 }"),
    expected: [
      "config.yaml:4:80: models.demo.targets[0].validation.validated_at: the day is still to come",
    ],
  },
  {
    name: "keys that are not available yet",
    yaml: top("server: { signals: {}, license: {} }").replace("id: ci,", "id: ci, peer: true,"),
    expected: [
      "config.yaml:1:11: server.signals: not available yet",
      "config.yaml:1:24: server.license: not available yet",
      "config.yaml:7:15: callers[0].peer: not available yet",
    ],
  },
  {
    name: "a Postgres database without a URL",
    yaml: top("server: { usage_db: { driver: postgres } }"),
    expected: [
      'config.yaml:1:11: server.usage_db: missing key "dsn"; ' +
      'driver "postgres" needs the URL of its database',
    ],
  },
  {
    name: "a URL that is none of Postgres, which is never shown",
    yaml: top('server: { usage_db: { driver: postgres, dsn: "mysql://a:secret@b/c" } }'),
    expected: [
      "config.yaml:1:46: server.usage_db.dsn: expected a URL such as " +
      '"postgres://user:password@host:5432/database"',
    ],
  },
  {
    name: "a group without targets, and a strategy that never will be",
    yaml: BASE.replace("  demo: {", "  a: { targets: [] }\n  demo: { strategy: semantic,"),
    expected: [
      "config.yaml:4:17: models.a.targets: a group needs at least one enabled target",
      "config.yaml:5:21: models.demo.strategy: there is no such strategy; write a policy " +
      '("script") or use "dynamic_score"',
    ],
  },
  {
    name: "frequent slips",
    yaml: target("bridges: [], tool_support: { openai_chat: [] }, dialect: anthropic_messages")
      .replace("id: ci,", "id: ci, user: ana,"),
    expected: [
      'config.yaml:4:52: models.demo.targets[0].bridges: unknown key; use "inbound_dialects" and ' +
      '"tool_support.<dialect>"',
      "config.yaml:4:81: models.demo.targets[0].tool_support.openai_chat: unknown key; dialects " +
      'are written with hyphens: "openai-chat"',
      "config.yaml:4:109: models.demo.targets[0].dialect: dialects are written with hyphens: " +
      '"anthropic"',
      'config.yaml:6:15: callers[0].user: unknown key; use "owner_user"',
    ],
  },
  {
    name: "references to nothing",
    yaml: top("server: { default_model_group: dmeo }")
      .replace("provider: echo", "provider: ecko").replace("allow: [demo]", "allow: [demo, fsat]"),
    expected: [
      "config.yaml:1:32: server.default_model_group: no group is named " +
      '"dmeo"; did you mean "demo"?',
      "config.yaml:5:33: models.demo.targets[0].provider: no provider is named " +
      '"ecko"; did you mean "echo"?',
      'config.yaml:7:109: callers[0].allow[1]: no group is named "fsat"',
    ],
  },
  {
    name: "a catalog model that is not there, and targets with both or neither",
    yaml: BASE.replace(
      "{ provider: echo, model: echo }",
      "{ provider: echo, model_ref: x }, { provider: echo }, " +
        "{ provider: echo, model_ref: y, model: echo }",
    ).replace("openai-chat }", "openai-chat, models: { y: { model: echo } } }"),
    expected: [
      'config.yaml:4:50: models.demo.targets[0].model_ref: the provider has no model "x"; ' +
      'did you mean "y"?',
      'config.yaml:4:55: models.demo.targets[1]: missing key "model_ref"; expected "model_ref" ' +
      'or "model"',
      'config.yaml:4:107: models.demo.targets[2].model: "model_ref" is given, too; a target has ' +
      "exactly one of them",
    ],
  },
  {
    name: "targets that are all disabled, and ids that repeat",
    yaml: BASE.replace(
      "[{ provider: echo, model: echo }]",
      "[{ provider: echo, model: echo, id: a, enabled: false }, " +
        "{ provider: echo, model: echo, id: a, enabled: false }]",
    ),
    expected: [
      "config.yaml:4:20: models.demo.targets: a group needs at least one enabled target",
      'config.yaml:4:112: models.demo.targets[1].id: "a" is already used by models.demo.targets[0]',
    ],
  },
  {
    name: "in-process upstreams and models that are not there",
    yaml: BASE.replace("model: echo }", "model: echo-nope }") // line 5
      .replace("models:", "  other: { base_url: builtin:ecko, dialect: anthropic }\nmodels:"),
    expected: [
      'config.yaml:3:22: providers.other.base_url: no builtin upstream is named "ecko"; ' +
      'did you mean "builtin:echo"?',
      'config.yaml:5:46: models.demo.targets[0].model: builtin:echo has no model "echo-nope"',
    ],
  },
  {
    name: "base URLs that cannot be used, and headers that are not ours to set",
    yaml: BASE.replace(
      "models:",
      "  a: { base_url: ftp://a.example, dialect: anthropic }\n" +
        "  b: { base_url: http://a.example/?x=1, dialect: anthropic, headers: { Host: x } }\nmodels:",
    ),
    expected: [
      "config.yaml:3:18: providers.a.base_url: expected an http(s) URL without user, query and " +
      'fragment, or "builtin:echo"',
      "config.yaml:4:18: providers.b.base_url: expected an http(s) URL without user, query and " +
      'fragment, or "builtin:echo"',
      "config.yaml:4:72: providers.b.headers.Host: this header is set by the gateway and cannot " +
      "be configured",
    ],
  },
  {
    name: "callers with the same id, token or token id",
    yaml: `${BASE}  - { id: " CI ", token_sha256: ${OTHER}, token_id: t }
  - { id: c, token_sha256: ${HEX.toUpperCase()}, token_id: t }\n`,
    expected: [
      'config.yaml:7:11: callers[1].id: "ci" is already used by callers[0]',
      'config.yaml:8:28: callers[2].token_sha256: caller "ci" already has this token',
      'config.yaml:8:104: callers[2].token_id: caller " CI " already has this token id',
    ],
  },
  {
    name: "previous tokens that are too many, and one that lives too long",
    yaml: caller(
      "previous_tokens: [" +
        ["01", "02", "03"].map((digits) =>
          `{ token_sha256: ${digits.repeat(32)}, valid_until: "2026-12-21T00:00:00Z" }`
        ).join(", ") + "]",
    ),
    expected: [
      "config.yaml:7:111: callers[1].previous_tokens: expected at most 2 entries, found a list",
      ...[0, 1, 2].map((index) =>
        `config.yaml:7:${
          207 + index * 121
        }: callers[1].previous_tokens[${index}].valid_until: expected a time at most 30 days ahead`
      ),
    ],
  },
  {
    name: "the demo token on every interface",
    yaml: top('server: { listen: ":80" }')
      .replace(HEX, "074a3c309e657690bd44f0c204410435812df98b08090025b42e503629f66dbb"),
    expected: [
      "config.yaml:7:29: callers[0].token_sha256: the demo token is public and server.listen is " +
      "not loopback; generate another",
    ],
  },
  {
    name: "variables that are not set",
    yaml: top("state_path: ${HOME_OF_STATE}/x${EMPTY}"),
    given: { env: { EMPTY: "" } },
    expected: [
      'config.yaml:1:13: state_path: variable "HOME_OF_STATE" is not set',
      'config.yaml:1:13: state_path: variable "EMPTY" is not set',
    ],
  },
  {
    name: "a value from a variable without showing it",
    yaml: group('attempt_timeout_ms: "${LIMIT}"'),
    given: { env: { LIMIT: "hunter2" } },
    expected: [
      "config.yaml:4:31: models.demo.attempt_timeout_ms: expected a whole number >= 0, " +
      'found "${LIMIT}"',
    ],
  },
  {
    name: "secrets without showing them",
    yaml: provider('api_key: 123456, headers: { x-key: "hunter2\\n" }').replace(HEX, "hunter2"),
    expected: [
      "config.yaml:2:68: providers.echo.api_key: expected a string",
      "config.yaml:2:94: providers.echo.headers.x-key: expected a header value",
      "config.yaml:6:29: callers[0].token_sha256: expected 64 hex digits",
    ],
  },
  {
    name: "keys that no header could carry",
    yaml: BASE.replace(
      "models:",
      "  a: { base_url: http://a.example, dialect: anthropic, api_key: hünter2 }\n" +
        "  b: { base_url: http://b.example, dialect: anthropic, api_key_env: KEY }\nmodels:",
    ),
    given: { env: { KEY: "hunter2\nhunter3" } },
    expected: [
      "config.yaml:3:65: providers.a.api_key: the key holds other characters than visible ASCII",
      "config.yaml:4:69: providers.b.api_key_env: the key holds other characters than visible " +
      "ASCII",
    ],
  },
  {
    name: "variables in a file that others can read",
    yaml: BASE,
    given: { envFile: "{}", envMode: 0o640 },
    expected: ["env.json:1:1: expected mode 0600, found 0640; run: chmod 600 env.json"],
  },
  {
    name: "variables in a file that is not flat",
    yaml: BASE,
    given: { envFile: '{\n  "A": "x",\n  "B": { "C": "hunter2" },\n  "D": 1\n}' },
    expected: ["env.json:3:8: B: expected a string", "env.json:4:8: D: expected a string"],
  },
  {
    name: "more aliases than anyone needs",
    yaml: `x: &a [1]\ny: [${Array(101).fill("*a").join(", ")}]\n`,
    expected: ["config.yaml:2:405: y[100]: more than 100 aliases are expanded"],
  },
];

for (const { name, yaml, given, expected } of CASES) {
  Deno.test(`config reports ${name}`, () => {
    assert.deepEqual(problems(yaml, given), expected);
  });
}

Deno.test("config reports a merged key at its own value, not at the anchor's", () => {
  const yaml = BASE.replace("targets: [{", "targets: [&t {").replace(
    "callers:",
    "  b: { targets: [{ weight: x, <<: *t }] }\ncallers:",
  );
  assert.deepEqual(problems(yaml), [
    "config.yaml:5:28: models.b.targets[0].weight: expected a whole number >= 0, " +
    'found "x"',
  ]);
});
