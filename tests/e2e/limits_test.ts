import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import {
  caller,
  type ConfigTree,
  DIALECTS,
  type Loose,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { type Answer, call, type CallOptions, readAnswer, send } from "../gateway_client.ts";
import {
  after,
  echo,
  errorReply,
  hang,
  noAnswer,
  partial,
  sampleReply,
  type Script,
  startUpstream,
} from "../upstream.ts";
import { upToContent } from "./behaviours.ts";

const OTHER = TOKEN.replace("_ci_", "_other_");

/** A gateway whose caller `ci` has these keys, before an upstream that answers at once. */
async function limited(
  keys: ConfigTree,
  options: { readonly script?: Script; readonly top?: ConfigTree; readonly targets?: ConfigTree } =
    {},
) {
  const upstream = await startUpstream(options.script ?? echo("echo"));
  const gateway = await startTestGateway({
    upstreams: [upstream.url],
    targets: [options.targets ?? {}],
    callers: [
      caller("ci", TOKEN, keys),
      caller("other", OTHER, { project: keys["project"] ?? "default" }),
    ],
    top: options.top ?? {},
  });
  return {
    upstream,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** What the caller is told of its limits. */
async function usage({ url }: TestGateway): Promise<Loose> {
  const response = await fetch(`${url}/v1/usage`, { headers: { "x-api-key": TOKEN } });
  assert.equal(response.status, 200);
  return await response.json();
}

/** A cap that fits under every limit of these tests. */
const SMALL: CallOptions = { body: { max_tokens: 20 } };

for (const dialect of DIALECTS) {
  Deno.test(`gateway refuses the call beyond rpm on ${dialect}, and says when to come again`, async () => {
    await using place = await limited({ rate: { rpm: 2 } });
    const { url } = place.gateway;
    const first = await call(url, dialect);
    assert.equal(first.status, 200);
    assert.equal((await call(url, dialect)).status, 200);
    const refused = await call(url, dialect);
    const { details } = assertError(dialect, refused, "rpm-exceeded");
    assert.deepEqual([details.limit, details.used, details.needed, details.scope], [
      2,
      2,
      1,
      "caller",
    ]);
    const wait = Number(refused.headers.get("retry-after-ms"));
    assert(wait > 50_000 && wait <= 60_100, `${wait}`);
    assert.equal(details.retry_after_ms, wait);
    assert.equal(refused.headers.get("retry-after"), String(Math.ceil(wait / 1000)));
    assert.equal(place.upstream.requests.length, 2);
    assertHeaders(dialect, first, { limit: 2, remaining: 1 });
    assertHeaders(dialect, refused, { limit: 2, remaining: 0 });
    const [row] = (await place.gateway.settled(3)).filter(({ status }) => status === 429);
    assert.deepEqual(
      [row?.["error"], row?.["charged_requests"], row?.["charged_at"], row?.["error_origin"]],
      ["rpm-exceeded", 0, undefined, "caller"],
    );
  });
}

/** Rate limit headers in the words of the dialect's SDK. */
function assertHeaders(
  dialect: DialectName,
  { headers }: Answer,
  expected: { readonly limit: number; readonly remaining: number },
): void {
  const anthropic = dialect === "anthropic";
  const name = (what: string) =>
    anthropic ? `anthropic-ratelimit-requests-${what}` : `x-ratelimit-${what}-requests`;
  assert.equal(headers.get(name("limit")), String(expected.limit));
  assert.equal(headers.get(name("remaining")), String(expected.remaining));
  const reset = headers.get(name("reset")) ?? "";
  assert.match(reset, anthropic ? /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ : /^(\d+m\d+s|\d+s|\d+ms)$/);
  assert.equal(headers.get("x-ratelimit-limit-tokens"), null, "no limit, no header");
}

Deno.test("gateway refuses tokens beyond tpm, and what never fits at once", async () => {
  await using place = await limited({ rate: { tpm: 100 } });
  const { url } = place.gateway;
  const never = assertError("openai-chat", await call(url, "openai-chat"), "tpm-exceeded");
  assert.equal(never.details.never_fits, true);
  const first = await call(url, "openai-chat", SMALL);
  assert.equal(first.status, 200);
  const left = Number(first.headers.get("x-ratelimit-remaining-tokens"));
  const { rate } = await usage(place.gateway);
  assert.deepEqual([rate.tpm.limit, rate.tpm.remaining, rate.tpm.reserved], [100, left, 0]);
  const cap = { body: { max_tokens: left - 12 } };
  const refused = await call(url, "openai-chat", cap);
  assert.equal(assertError("openai-chat", refused, "tpm-exceeded").details.never_fits, undefined);
  const after = (await usage(place.gateway)).rate.tpm;
  assert.deepEqual(
    [after.used, after.reserved],
    [rate.tpm.used, 0],
    "a refused call leaves nothing",
  );
});

Deno.test("gateway lets no more calls run at a time than concurrent, and gives the place back", async () => {
  const go = Promise.withResolvers<void>();
  await using place = await limited({ rate: { concurrent: 2 } }, {
    script: after(go.promise, echo("echo")),
  });
  const { url } = place.gateway;
  const running = [call(url, "openai-chat"), call(url, "anthropic")];
  await place.upstream.request(2);
  const refused = await call(url, "openai-responses");
  const { details } = assertError("openai-responses", refused, "concurrency-exceeded");
  assert.deepEqual([details.limit, details.used], [2, 2]);
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal((await usage(place.gateway)).rate.concurrent.used, 2);
  go.resolve();
  for (const answer of running) assert.equal((await answer).status, 200);
  assert.equal((await call(url, "openai-chat")).status, 200);
  assert.deepEqual((await usage(place.gateway)).rate.concurrent, {
    limit: 2,
    used: 0,
    remaining: 2,
  });
});

Deno.test("gateway refuses beyond the quotas of a day and a key, in tokens, calls and money", async () => {
  const cases = [
    [{ quota: { day: { requests: 1 } } }, "quota-exhausted", "quota.day.requests"],
    [{ quota: { month: { tokens: 40 } } }, "quota-exhausted", "quota.month.tokens"],
    [{ quota: { day: { cost_usd: 0.00006 } } }, "quota-exhausted", "quota.day.cost_usd"],
    [{ key: { lifetime_tokens: 40 } }, "key-exhausted", undefined],
  ] as const;
  for (const [keys, type, limitKey] of cases) {
    await using place = await limited(keys);
    const { url } = place.gateway;
    assert.equal((await call(url, "openai-chat", SMALL)).status, 200, limitKey);
    const refused = await call(url, "openai-chat", SMALL);
    const { details } = assertError("openai-chat", refused, type);
    assert.equal(details.limit_key, limitKey);
    assert.equal(place.upstream.requests.length, 1);
    if (type === "quota-exhausted") assert.match(details.window_end, /T00:00:00.000Z$/);
  }
});

Deno.test("gateway shares the limits of a project and a user among their callers", async () => {
  const top = {
    users: [{ id: "default" }],
    projects: [{ id: "shop", rate: { rpm: 2 } }],
    project_memberships: [{ user_id: "default", project: "shop" }],
  };
  await using place = await limited({ project: "shop" }, { top });
  const { url } = place.gateway;
  const as = (token: string) =>
    call(url, "openai-chat", { headers: { authorization: `Bearer ${token}` } });
  assert.deepEqual([(await as(TOKEN)).status, (await as(OTHER)).status], [200, 200]);
  const error = assertError("openai-chat", await as(TOKEN), "rpm-exceeded");
  assert.equal(error.details.scope, "project");
  assert.match(error.message, /project "shop"/);
  assert.deepEqual((await usage(place.gateway)).shared.project.rate.rpm.used, 2);
});

for (const kind of ["project", "user"] as const) {
  for (
    const [limit, keys, type] of [
      ["rate.rpm", { rate: { rpm: 2 } }, "rpm-exceeded"],
      ["rate.tpm", { rate: { tpm: 80 } }, "tpm-exceeded"],
      ["quota.day.requests", { quota: { day: { requests: 2 } } }, "quota-exhausted"],
      ["quota.month.tokens", { quota: { month: { tokens: 80 } } }, "quota-exhausted"],
    ] as const
  ) {
    Deno.test(`callers of a ${kind} share its ${limit}`, async () => {
      const top = {
        users: [{ id: "default", ...kind === "user" ? keys : {} }],
        projects: [{ id: "default", ...kind === "project" ? keys : {} }],
        project_memberships: [{ user_id: "default", project: "default" }],
      };
      await using place = await limited({}, { top });
      const as = (token: string) =>
        call(place.gateway.url, "openai-chat", {
          body: { max_tokens: 20 },
          headers: { authorization: `Bearer ${token}` },
        });
      assert.equal((await as(TOKEN)).status, 200);
      assert.equal((await as(OTHER)).status, 200);
      let refused = await as(TOKEN);
      for (let more = 0; more < 9 && refused.status === 200; more++) refused = await as(OTHER);
      assert.equal(assertError("openai-chat", refused, type).details.scope, kind);
    });
  }
}

Deno.test("caller near its limit is warned, in its rows and in what it is told", async () => {
  const keys = { quota: { soft_pct: 50, day: { requests: 3 } } };
  await using place = await limited({ ...keys, key: { lifetime_tokens: 9_999, soft_pct: 0 } });
  const states: unknown[] = [];
  for (let count = 0; count < 3; count++) {
    assert.equal((await call(place.gateway.url, "openai-chat", SMALL)).status, 200);
    states.push((await usage(place.gateway)).caller.quota_state);
  }
  assert.deepEqual(states, ["ok", "warning", "exhausted"]);
  const rows = await place.gateway.settled(3);
  assert.deepEqual(rows.map((row) => row["quota_state"]), states);
  assert.deepEqual(rows.map((row) => row["key_state"]), ["warning", "warning", "warning"]);
});

Deno.test("gateway never sends a caller with a cost limit to an unpriced target", async () => {
  await using place = await limited({ quota: { day: { cost_usd: 1 } } }, {
    targets: { input_price_per_million_usd: undefined },
  });
  const answer = await call(place.gateway.url, "openai-chat");
  const { details } = assertError("openai-chat", answer, "no-eligible-target");
  assert.match(details.hint, /price-unknown/);
  const other = await call(place.gateway.url, "openai-chat", {
    headers: { authorization: `Bearer ${OTHER}` },
  });
  assert.equal(other.status, 200);
});

Deno.test("gateway skips a target whose cost does not fit, and takes the next", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url, upstream.url],
    targets: [{ output_price_per_million_usd: 1_000 }, {}],
    callers: [caller("ci", TOKEN, { quota: { day: { cost_usd: 0.01 } } })],
  });
  const answer = await call(gateway.url, "openai-chat", SMALL);
  assert.deepEqual([answer.status, answer.headers.get("x-router-model")], [200, "up-2"]);
  assert.equal(answer.headers.get("x-router-attempts"), "1");
});

/** What a call that ended so is charged with: calls of the minute, of the day, and tokens. */
interface Ending {
  readonly name: string;
  readonly script: Script;
  readonly options?: CallOptions;
  /** Leaves when the upstream has the request, or when content came. */
  readonly leaves?: "before" | "after";
  readonly rpm: number;
  readonly requests: number;
  readonly charged: boolean;
  readonly status: number;
}

const cut = upToContent(await sampleReply("openai-chat", { stream: true }));

const ENDINGS: readonly Ending[] = [
  { name: "success", script: echo("echo"), rpm: 1, requests: 1, charged: true, status: 200 },
  {
    name: "a refusal in decode",
    script: echo("echo"),
    options: { raw: "{" },
    rpm: 0,
    requests: 0,
    charged: false,
    status: 400,
  },
  {
    name: "a refusal in admit",
    script: echo("echo"),
    options: { body: { max_tokens: 1_000_000 } },
    rpm: 0,
    requests: 0,
    charged: false,
    status: 429,
  },
  {
    name: "a refusal in route",
    script: echo("echo"),
    options: { body: { ...SMALL.body, modalities: ["text", "audio"] } },
    rpm: 1,
    requests: 0,
    charged: false,
    status: 502,
  },
  {
    name: "failed attempts",
    script: errorReply("openai-chat", 500),
    rpm: 1,
    requests: 1,
    charged: false,
    status: 502,
  },
  {
    name: "a broken connection",
    script: noAnswer("reset"),
    rpm: 1,
    requests: 1,
    charged: false,
    status: 502,
  },
  {
    name: "a failure after content",
    script: partial(cut, "close"),
    options: { stream: true },
    rpm: 1,
    requests: 1,
    charged: true,
    status: 502,
  },
  {
    name: "a caller that leaves before content",
    script: hang(),
    leaves: "before",
    rpm: 1,
    requests: 1,
    charged: false,
    status: 499,
  },
  {
    name: "a caller that leaves after content",
    script: partial(cut, "silence"),
    options: { stream: true },
    leaves: "after",
    rpm: 1,
    requests: 1,
    charged: true,
    status: 499,
  },
];

for (const ending of ENDINGS) {
  Deno.test(`limits after ${ending.name}: what was used is charged, the rest returns`, async () => {
    await using place = await limited(
      {
        rate: { rpm: 9, tpm: 9_000, concurrent: 1 },
        quota: { day: { requests: 9, tokens: 9_000, cost_usd: 1 } },
      },
      { script: ending.script },
    );
    await makeEnding(place.gateway.url, place.upstream.request(1), ending);
    const [row] = await place.gateway.settled(1);
    assert.equal(row?.["status"], ending.status);
    const tokens = Number(row?.["charged_tokens"]);
    assert.equal(tokens > 0, ending.charged);
    assert.equal(row?.["charged_requests"], ending.requests);
    assert.equal(row?.["charged_at"] !== undefined, ending.rpm === 1);
    const { rate, quota } = await usage(place.gateway);
    assert.deepEqual(
      [rate.rpm.used, rate.tpm.used, rate.tpm.reserved, rate.concurrent.used],
      [ending.rpm, tokens, 0, 0],
    );
    for (const period of ["day", "month"]) {
      assert.equal(quota[period].requests.used, ending.requests);
      assert.deepEqual([quota[period].tokens.used, quota[period].tokens.reserved], [tokens, 0]);
      const { used, reserved } = quota[period].cost_usd;
      assert.deepEqual([used * 1e9, reserved], [Number(row?.["charged_nusd"]), 0]);
    }
    assert.equal(quota.lifetime.tokens.used, tokens);
  });
}

async function makeEnding(url: string, sent: Promise<unknown>, ending: Ending): Promise<void> {
  const leave = new AbortController();
  const options = { ...SMALL, ...ending.options, signal: leave.signal };
  const answer = send(url, "openai-chat", options);
  if (ending.leaves === undefined) return void await readAnswer(await answer);
  if (ending.leaves === "before") await sent;
  else await (await answer).body!.getReader().read();
  leave.abort();
  await answer.catch(() => {});
}

Deno.test("limits hold after a burst of 5,000 calls: 100 of 100 are admitted, no more", async () => {
  await using place = await limited({ rate: { rpm: 100, concurrent: 50 } });
  const counts = new Map<string, number>();
  let left = 5_000;
  await Promise.all(Array.from({ length: 40 }, async () => {
    while (left-- > 0) {
      const { status, text } = await call(place.gateway.url, "openai-chat", SMALL);
      const kind = status === 200 ? "ok" : JSON.parse(text).error.type;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
  }));
  assert.deepEqual(Object.fromEntries(counts), { "ok": 100, "rpm-exceeded": 4_900 });
  assert.equal(place.upstream.requests.length, 100);
  const { rate } = await usage(place.gateway);
  assert.deepEqual([rate.rpm.used, rate.concurrent.used, rate.tpm.reserved], [100, 0, 0]);
});

Deno.test("limits that a reload lowers or raises keep what was used", async () => {
  await using upstream = await startUpstream(echo("echo"));
  const config = (rpm: number) => ({
    upstreams: [upstream.url],
    callers: [caller("ci", TOKEN, { rate: { rpm } })],
  });
  await using gateway = await startTestGateway(config(2));
  const status = async () => (await call(gateway.url, "openai-chat")).status;
  assert.deepEqual([await status(), await status(), await status()], [200, 200, 429]);
  assert(await gateway.reload(config(3)));
  assert.deepEqual([await status(), await status()], [200, 429]);
  assert(await gateway.reload(config(0)));
  assert.equal(await status(), 200);
  assert.equal((await usage(gateway)).rate.rpm.limit, null);
  assert(await gateway.reload(config(4)));
  assert.equal(await status(), 429, "calls without a limit counted, too");
});
