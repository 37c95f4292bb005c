import assert from "node:assert/strict";
import { BASE, problems } from "./config_support.ts";

/** Places where the keys of these tests stand, and the paths under which problems name them. */
const PLACES = {
  caller: { at: "callers[0]", of: (keys: string) => BASE.replace("id: ci,", `id: ci, ${keys},`) },
  provider: {
    at: "providers.echo",
    of: (keys: string) => BASE.replace("openai-chat }", `openai-chat, ${keys} }`),
  },
  model: {
    at: "providers.echo.models.m",
    of: (keys: string) =>
      BASE.replace("openai-chat }", `openai-chat, models: { m: { model: echo, ${keys} } } }`),
  },
  target: {
    at: "models.demo.targets[0]",
    of: (keys: string) => BASE.replace("model: echo }", `model: echo, ${keys} }`),
  },
  server: { at: "server", of: (keys: string) => `server: { ${keys} }\n${BASE}` },
  project: {
    at: "projects[0]",
    of: (keys: string) => account("projects", keys),
  },
  user: { at: "users[0]", of: (keys: string) => account("users", keys) },
} as const;

/** The accounts of the caller `ci`, one list of them with more keys. */
function account(list: "projects" | "users", keys: string): string {
  const entry = (name: string) => `[{ id: default${name === list ? `, ${keys}` : ""} }]`;
  return `${BASE}users: ${entry("users")}\nprojects: ${entry("projects")}\n` +
    "project_memberships: [{ user_id: default, project: default }]\n";
}

const COUNTS = ["rpm", "tpm", "concurrent"];
const QUOTAS = ["day", "month"].flatMap((period) =>
  ["requests", "tokens"].map((unit) => [period, unit] as const)
);
const RATES = [
  ["request_start_per_sec", "request_burst"],
  ["input_tokens_per_sec", "input_token_burst"],
  ["output_reservation_tokens_per_sec", "output_reservation_token_burst"],
  ["total_reserved_tokens_per_sec", "total_reserved_token_burst"],
] as const;
const BACKOFFS = ["upstream_429_backoff", "upstream_quota_backoff"];

type Case = readonly [place: keyof typeof PLACES, keys: string, path: string, message: RegExp];

const WHOLE = /expected a whole number >= 0/;

const CASES: readonly Case[] = [
  ...(["caller", "project", "user"] as const).flatMap((place): Case[] => [
    ...COUNTS.flatMap((key): Case[] => [
      [place, `rate: { ${key}: -1 }`, `rate.${key}`, WHOLE],
      [place, `rate: { ${key}: 1.5 }`, `rate.${key}`, WHOLE],
      [place, `rate: { ${key}: many }`, `rate.${key}`, WHOLE],
    ]),
    ...QUOTAS.flatMap(([period, unit]): Case[] => [
      [place, `quota: { ${period}: { ${unit}: -1 } }`, `quota.${period}.${unit}`, WHOLE],
      [place, `quota: { ${period}: { ${unit}: 0.5 } }`, `quota.${period}.${unit}`, WHOLE],
    ]),
    [place, "quota: { day: { cost_usd: -1 } }", "quota.day.cost_usd", /expected .*found -1/],
    [place, "quota: { month: { cost_usd: 1e10 } }", "quota.month.cost_usd", /at most 9000000 USD/],
    [place, "quota: { day: { cost_usd: 1e-10 } }", "quota.day.cost_usd", /9/],
    [place, "quota: { soft_pct: 101 }", "quota.soft_pct", /from 0 to 100/],
    [place, "quota: { soft_pct: -1 }", "quota.soft_pct", /from 0 to 100/],
    [place, "quota: { week: { tokens: 1 } }", "quota.week", /unknown key/],
    [place, "rate: { rps: 1 }", "rate.rps", /unknown key; did you mean "rpm"/],
  ]),
  ["caller", "key: { lifetime_tokens: -1 }", "key.lifetime_tokens", WHOLE],
  ["caller", "key: { soft_pct: 100.1 }", "key.soft_pct", /from 0 to 100/],
  ["caller", "key: { on_exhaust: stop }", "key.on_exhaust", /expected disable or warn/],
  ...(["caller", "provider", "model", "target"] as const).flatMap((place): Case[] => [
    ...RATES.flatMap(([rate, burst]): Case[] => [
      [place, shape(`${rate}: 5`), `traffic_shape.${rate}`, new RegExp(`needs "${burst}" above 0`)],
      [place, shape(`${rate}: 5, ${burst}: 0`), `traffic_shape.${rate}`, /above 0/],
      [place, shape(`${rate}: -1, ${burst}: 1`), `traffic_shape.${rate}`, /expected a number >= 0/],
      [place, shape(`${rate}: 5, ${burst}: 1.5`), `traffic_shape.${burst}`, WHOLE],
    ]),
    [place, shape("per_sec: 1"), "traffic_shape.per_sec", /unknown key/],
  ]),
  ...(["provider", "model", "target"] as const).flatMap((place) =>
    BACKOFFS.flatMap((kind): Case[] => [
      [
        place,
        shape(`${kind}: { min_backoff_ms: 500000 }`),
        `traffic_shape.${kind}`,
        /min_backoff_ms is above max_backoff_ms/,
      ],
      [
        place,
        shape(`${kind}: { max_backoff_ms: 1 }`),
        `traffic_shape.${kind}`,
        /min_backoff_ms is above max_backoff_ms/,
      ],
      [
        place,
        shape(`${kind}: { multiplier: 0.5 }`),
        `traffic_shape.${kind}.multiplier`,
        /expected a number >= 1/,
      ],
      [
        place,
        shape(`${kind}: { min_backoff_ms: -1 }`),
        `traffic_shape.${kind}.min_backoff_ms`,
        /expected/,
      ],
    ])
  ),
  ["provider", shape("queue: { enabled: true }"), "traffic_shape.queue", /unknown key/],
  ["caller", shape(`${BACKOFFS[0]}: {}`), `traffic_shape.${BACKOFFS[0]}`, /unknown key/],
  ["caller", queue("max_depth: 4"), "traffic_shape.queue", /needs "max_wait_ms" above 0/],
  ["caller", queue("max_wait_ms: 9"), "traffic_shape.queue", /needs "max_depth" above 0/],
  [
    "caller",
    queue("max_wait_ms: 9, max_depth: -1"),
    "traffic_shape.queue.max_depth",
    WHOLE,
  ],
  [
    "server",
    "traffic_shape: { default_caller: { request_start_per_sec: 1 } }",
    "traffic_shape.default_caller.request_start_per_sec",
    /needs "request_burst" above 0/,
  ],
  [
    "server",
    "ledger: { on_failure: ignore }",
    "ledger.on_failure",
    /expected refuse or grace/,
  ],
  ["server", "ledger: { grace_ms: -1 }", "ledger.grace_ms", /expected/],
  ["server", "cache: { max_bytes: -1 }", "cache.max_bytes", /expected/],
  ["server", "cache: { scope: everybody }", "cache.scope", /expected caller, project or group/],
  ["server", "cache: { default_ttl: soon }", "cache.default_ttl", /expected/],
];

function shape(keys: string): string {
  return `traffic_shape: { ${keys} }`;
}

function queue(keys: string): string {
  return shape(
    `request_start_per_sec: 1, request_burst: 1, queue: { enabled: true, ${keys} }`,
  );
}

for (const [place, keys, path, message] of CASES) {
  Deno.test(`config refuses ${keys} of a ${place}, and says where and why`, () => {
    const found = problems(PLACES[place].of(keys));
    const named = found.filter((line) => line.includes(` ${PLACES[place].at}.${path}: `));
    assert.equal(named.length, 1, found.join("\n"));
    assert.match(named[0]!, message);
    assert.match(named[0]!, /^config\.yaml:\d+:\d+: /);
  });
}

Deno.test("config takes every limit and every shape together", () => {
  const limits = `rate: { rpm: 1, tpm: 2, concurrent: 3 }, quota: { soft_pct: 50, ` +
    "day: { requests: 1, tokens: 2, cost_usd: 0.5 }, month: { requests: 1, tokens: 2, cost_usd: 3 } }";
  const rates = RATES.map(([rate, burst]) => `${rate}: 0.5, ${burst}: 7`).join(", ");
  const backoffs = BACKOFFS.map((kind) => `${kind}: { min_backoff_ms: 1, max_backoff_ms: 1 }`)
    .join(", ");
  for (const place of ["project", "user"] as const) {
    assert.deepEqual(problems(PLACES[place].of(limits)), []);
  }
  const key = "key: { lifetime_tokens: 5, soft_pct: 10, on_exhaust: warn }";
  const queued = "queue: { enabled: true, max_wait_ms: 5, max_depth: 5 }";
  const own = `${limits}, ${key}, ${shape(`${rates}, ${queued}`)}`;
  // The echo of these tests has no prices, which a cost limit warns of.
  for (const line of problems(PLACES.caller.of(own))) assert.match(line, /warning|price/);
  for (const place of ["provider", "model", "target"] as const) {
    assert.deepEqual(problems(PLACES[place].of(shape(`${rates}, ${backoffs}`))), []);
  }
});
