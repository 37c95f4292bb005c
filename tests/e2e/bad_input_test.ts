import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { DialectName } from "@/core/dialect_name.ts";
import type { ErrorType } from "@/core/errors.ts";
import {
  CALL_PATH,
  caller,
  DIALECTS,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { call, type CallOptions, metricsOf } from "../gateway_client.ts";
import { connectRaw, exchangeRaw, requestHead } from "../gateway_raw.ts";
import { echo, sampleRequest, startUpstream, type TestUpstream } from "../upstream.ts";

const MiB = 2 ** 20;
const MAX_BYTES = 64 * 1024;

/** A body no dialect accepts, or a header that makes it so. */
interface BadCall {
  readonly name: string;
  readonly options: CallOptions;
  readonly error: ErrorType;
  /** `details.path` or `details.reason`. */
  readonly detail?: string;
}

const text = (raw: BodyInit): CallOptions => ({ raw });
const gzipped = (bytes: string | Uint8Array, headers = {}): CallOptions => ({
  raw: new Uint8Array(gzipSync(bytes)),
  headers: { "content-encoding": "gzip", ...headers },
});
const invalid = (name: string, options: CallOptions, detail?: string): BadCall => ({
  name,
  options,
  error: "invalid-request",
  ...(detail ? { detail } : {}),
});

/** Bodies that are wrong in every dialect. */
function badCalls(dialect: DialectName): readonly BadCall[] {
  const good = sampleRequest(dialect, { model: "fast" });
  const json = JSON.stringify(good);
  const cap = dialect === "openai-responses" ? "max_output_tokens" : "max_tokens";
  const turns = dialect === "openai-responses" ? "input" : "messages";
  const deep = `{"model":"fast","deep":${"[".repeat(300)}${"]".repeat(300)}}`;
  return [
    invalid("an empty body", text("")),
    invalid("text", text("hello")),
    invalid("cut JSON", text(json.slice(0, -1))),
    invalid("JSON with something behind it", text(`${json}x`)),
    invalid("a list", text("[]")),
    invalid("a string", text('"fast"')),
    invalid("null", text("null")),
    invalid("a byte order mark", text(`\ufeff${json}`)),
    invalid("bytes that are no UTF-8", text(new Uint8Array([...utf8(json.slice(0, -2)), 255, 34]))),
    invalid("deep nesting", text(deep)),
    invalid("a key twice", text(json.replace("{", '{"model":"fast",'))),
    invalid("a key in two cases", text(json.replace("{", '{"Model":"gold",')), "duplicate-key"),
    invalid("a key twice, once escaped", text(json.replace("{", '{"mod\\u0065l":"fast",'))),
    invalid("a model that is a number", { body: { model: 7 } }, "model"),
    invalid("a model that is a list", { body: { model: ["fast"] } }, "model"),
    invalid("a stream that is text", { body: { stream: "yes" } }, "stream"),
    invalid("turns that are a number", { body: { [turns]: 7 } }, turns),
    invalid("tools that are text", { body: { tools: "all" } }, "tools"),
    invalid("a cap of 0", { body: { [cap]: 0 } }, cap),
    invalid("a cap that is text", { body: { [cap]: "many" } }, cap),
    invalid("a fractional cap", { body: { [cap]: 1.5 } }, cap),
    invalid("an unknown encoding", { headers: { "content-encoding": "br" } }, "content-encoding"),
    invalid("gzip that is none", { raw: json, headers: { "content-encoding": "gzip" } }),
    invalid("gzip that is cut", {
      raw: new Uint8Array(gzipSync(json)).slice(0, -12),
      headers: { "content-encoding": "gzip" },
    }),
    {
      name: "a gzip bomb",
      options: gzipped(new Uint8Array(8 * MiB)),
      error: "request-too-large",
    },
    {
      name: "a body over the limit",
      options: text(new Uint8Array(MAX_BYTES + 1)),
      error: "request-too-large",
    },
    {
      name: "a chunked body over the limit",
      options: text(new Blob([new Uint8Array(4 * MAX_BYTES)]).stream()),
      error: "request-too-large",
    },
    { name: "no model", options: { body: { model: undefined } }, error: "missing-model" },
    { name: "an empty model", options: { body: { model: "" } }, error: "missing-model" },
    { name: "an unknown group", options: { body: { model: "nope" } }, error: "model-not-allowed" },
    { name: "a forbidden group", options: { body: { model: "gold" } }, error: "model-not-allowed" },
  ];
}

const utf8 = (value: string) => new TextEncoder().encode(value);

/** A gateway with small limits, a second group, and an upstream that must not be called. */
async function inGateway(
  body: (gateway: TestGateway, upstream: TestUpstream) => Promise<void>,
  server: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    server: { max_request_bytes: MAX_BYTES, ...server },
    models: { gold: { targets: [{ provider: "p1-openai-chat", model: "up-1" }] } },
    callers: CALLERS,
  });
  await body(gateway, upstream);
}

const HOUR = 3_600_000;
const token = (name: string) => TOKEN.replace("_ci_ci_", `_${name}_${name}_`);
const at = (ms: number) => new Date(Date.now() + ms).toISOString();

const CALLERS = [
  caller("ci", TOKEN),
  ...["disabled", "suspended", "removed", "archived", "expired", "rotated"].map((status) =>
    caller(status, token(status), { status })
  ),
  caller("over", token("over"), { expires_at: at(-HOUR) }),
  caller("renewed", token("renewed"), {
    previous_tokens: [
      { token_sha256: caller("", token("older"))["token_sha256"], valid_until: at(-HOUR) },
      { token_sha256: caller("", token("old"))["token_sha256"], valid_until: at(HOUR) },
    ],
  }),
];

for (const dialect of DIALECTS) {
  Deno.test(`gateway refuses bad ${dialect} bodies without an upstream call`, async (t) => {
    await inGateway(async (gateway, upstream) => {
      for (const { name, options, error, detail } of badCalls(dialect)) {
        await t.step(name, async () => {
          const before = gateway.rows().length;
          const answer = await call(gateway.url, dialect, options);
          const { details } = assertError(dialect, answer, error) as { details: object };
          if (detail) assert(Object.values(details).includes(detail), JSON.stringify(details));
          const rows = gateway.rows().slice(before);
          assert.deepEqual(rows.map(({ request_id }) => request_id), [answer.id]);
          const [row] = rows;
          assert.deepEqual([row?.["status"], row?.["error"]], [answer.status, error]);
          assert.deepEqual([row?.["attempts"], row?.["caller_id"]], [0, "ci"]);
        });
      }
      assert.equal(upstream.requests.length, 0);
      const good = await call(gateway.url, dialect, gzippedCall(dialect));
      assert.equal(good.status, 200);
      assert.equal(upstream.requests.at(-1)?.json()["model"], "up-1");
    });
  });

  Deno.test(`gateway refuses ${dialect} calls without a valid key`, async (t) => {
    await inGateway(async (gateway, upstream) => {
      for (const { name, headers, error, reason } of badKeys()) {
        await t.step(name, async () => {
          const before = gateway.rows().length;
          const answer = await call(gateway.url, dialect, { headers });
          assertError(dialect, answer, error);
          const rows = gateway.rows().slice(before).map(({ error }) => error);
          assert.deepEqual(rows, reason ? [] : [error]);
          if (!reason) return;
          const event = gateway.securityEvents().at(-1);
          assert.deepEqual([event?.["request_id"], event?.["reason_code"]], [answer.id, reason]);
          assert.equal(answer.headers.get("www-authenticate"), 'Bearer realm="pointsman"');
          assert.equal(answer.json()["error"].message, "unauthorized");
        });
      }
      assert.equal(upstream.requests.length, 0);
      const old = await call(gateway.url, dialect, { headers: bearer(token("old")) });
      assert.equal(old.status, 200, "a rotated token works until its time is over");
    });
  });
}

function gzippedCall(dialect: DialectName): CallOptions {
  return gzipped(JSON.stringify(sampleRequest(dialect, { model: "fast" })));
}

const bearer = (value: string) => ({ authorization: `Bearer ${value}`, "x-api-key": "" });
const NO_KEY = { authorization: "", "x-api-key": "" };

function badKeys() {
  const unauthorized = "unauthorized" as const;
  const known = (name: string, error: ErrorType) => ({
    name: `a key of ${name}`,
    headers: bearer(token(name)),
    error,
    reason: null,
  });
  const other = TOKEN.replace("0123", "3210");
  return [
    { name: "no key", headers: NO_KEY, error: unauthorized, reason: "missing" },
    { name: "an unknown key", headers: bearer(other), error: unauthorized, reason: "unknown" },
    { name: "a short key", headers: bearer("short"), error: unauthorized, reason: "malformed" },
    {
      name: "another scheme",
      headers: { ...NO_KEY, authorization: `Basic ${TOKEN}` },
      error: unauthorized,
      reason: "missing",
    },
    {
      name: "two different keys",
      headers: { authorization: `Bearer ${TOKEN}`, "x-api-key": other },
      error: unauthorized,
      reason: "conflicting",
    },
    known("disabled", "key-disabled"),
    known("removed", "key-disabled"),
    known("archived", "key-disabled"),
    known("suspended", "key-suspended"),
    known("expired", "key-expired"),
    known("over", "key-expired"),
    known("rotated", "key-rotated"),
    known("older", "key-rotated"),
  ];
}

Deno.test("a flood of requests without a valid token is counted, and does not fill the disk", async () => {
  const requests = 1_500;
  await using gateway = await startTestGateway({
    upstreams: [],
    providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
    group: { targets: [{ provider: "echo", model: "echo" }] },
    callers: [caller("ci", TOKEN, { metrics_admin: true })],
  });
  const lane = async () => {
    for (let made = 0; made < requests / 10; made++) {
      const answer = await call(gateway.url, "openai-chat", { headers: bearer(token("nobody")) });
      assert.equal(answer.status, 401);
    }
  };
  await Promise.all(Array.from({ length: 10 }, lane));
  const written = gateway.securityEvents().length;
  assert(written >= 1_000 && written < 1_200, `${written} events`);
  const metrics = await metricsOf(gateway.url, TOKEN);
  const counted = metrics.get("pointsman_auth_failures_total")!.samples;
  assert.deepEqual(counted.map(({ value }) => value), [requests]);
});

Deno.test("gateway answers an unknown and a forbidden group alike", async () => {
  await inGateway(async ({ url }) => {
    const plain = ({ text, id }: { text: string; id: string }) => text.replaceAll(id, "ID");
    for (const dialect of DIALECTS) {
      const unknown = await call(url, dialect, { body: { model: "nope" } });
      const forbidden = await call(url, dialect, { body: { model: "gold" } });
      assert.equal(plain(forbidden).replaceAll("gold", "nope"), plain(unknown));
      const names = (headers: Headers) => [...headers.keys()].toSorted();
      assert.deepEqual(names(forbidden.headers), names(unknown.headers));
    }
  });
});

Deno.test("gateway accepts a token under both headers when it is the same", async () => {
  await inGateway(async ({ url }) => {
    const headers = { authorization: `bearer  ${TOKEN}`, "x-api-key": TOKEN };
    assert.equal((await call(url, "openai-chat", { headers })).status, 200);
  });
});

const EDGE = [
  ["GET", "/nope", 404, null],
  ["POST", "/v1/chat/completions/", 404, null],
  ["POST", "/v1/v1/chat/completions", 404, null],
  ["POST", "/v1/embeddings", 404, null],
  ["GET", "/v1/responses/resp_1", 404, null],
  ["GET", "/v1/chat/completions", 405, "POST"],
  ["DELETE", "/v1/messages", 405, "POST"],
  ["PUT", "/anthropic/v1/messages", 405, "POST"],
  ["GET", "/v1/responses", 405, "POST"],
  ["POST", "/v1/models", 405, "GET"],
  ["POST", "/healthz", 405, "GET, HEAD"],
] as const;

Deno.test("gateway names unknown paths and wrong methods, and does nothing else", async (t) => {
  await inGateway(async (gateway, upstream) => {
    for (const [method, path, status, allow] of EDGE) {
      await t.step(`${method} ${path}`, async () => {
        const response = await fetch(`${gateway.url}${path}`, { method, redirect: "manual" });
        const { error } = await response.json();
        assert.equal(response.status, status);
        assert.equal(error.type, status === 404 ? "not-found" : "method-not-allowed");
        if (status === 404) assert.match(error.message, /calls go to .*\/v1\/responses/);
        assert.equal(response.headers.get("allow"), allow);
        assert.equal(response.headers.get("location"), null);
        assert.match(response.headers.get("x-request-id") ?? "", /^req_/);
      });
    }
    assert.deepEqual([gateway.rows(), gateway.securityEvents(), upstream.requests], [[], [], []]);
  });
});

Deno.test("gateway takes no path from the Host header", async () => {
  await inGateway(async ({ url }) => {
    for (const host of ["a/version?", "a/v1", "a#", "user@a", "a b", "a\\b"]) {
      const answer = await exchangeRaw(url, requestHead("GET /nope", { host }));
      assert.match(answer, /^HTTP\/1\.1 400 [^]*"reason":"host"/, host);
    }
    for (const host of ["a", "a.example:8080", "[::1]:8080", "127.0.0.1"]) {
      const answer = await exchangeRaw(url, requestHead("GET /version", { host }));
      assert.match(answer, /^HTTP\/1\.1 200 /, host);
    }
  });
});

Deno.test("gateway answers agents that probe their base URL", async () => {
  await inGateway(async ({ url }) => {
    for (const path of ["/", "/v1", "/anthropic"]) {
      const response = await fetch(`${url}${path}`, { method: "HEAD" });
      assert.deepEqual([response.status, await response.text()], [200, ""]);
    }
  });
});

Deno.test("gateway refuses a WebSocket by name", async () => {
  await inGateway(async ({ url }) => {
    const answer = await exchangeRaw(
      url,
      requestHead("GET /v1/responses", {
        connection: "upgrade, close",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      }),
    );
    assert.match(answer, /^HTTP\/1\.1 426 /);
    assert.match(answer, /responses-websocket-unsupported/);
  });
});

for (const dialect of DIALECTS) {
  Deno.test(`gateway ends an ${dialect} body that comes too slowly`, async () => {
    await inGateway(async (gateway, upstream) => {
      using connection = await connectRaw(gateway.url);
      const headers = { "x-api-key": TOKEN, "content-length": "1000" };
      await connection.write(requestHead(`POST ${CALL_PATH[dialect]}`, headers) + '{"model":');
      const answer = await connection.until(/\}\}?$/);
      assert.match(answer, /^HTTP\/1\.1 408 /);
      assert.match(answer, /"type":"request-timeout"/);
      assert.match(answer, /\r\nconnection: close\r\n/i);
      const [row] = await gateway.settled(1);
      assert.deepEqual([row?.["status"], row?.["error"]], [408, "request-timeout"]);
      const waitedUs = row?.["latency_ms"] * 1000 - row?.["overhead_us"];
      assert(waitedUs >= 90_000, "time at the caller is no overhead of the gateway");
      assert.equal(upstream.requests.length, 0);
    }, { body_timeout_ms: 100 });
  });
}

Deno.test("gateway leaves a record of a caller that leaves while it sends", async () => {
  await inGateway(async (gateway, upstream) => {
    {
      using connection = await connectRaw(gateway.url);
      const headers = { "x-api-key": TOKEN, "content-length": "1000" };
      await connection.write(requestHead("POST /v1/messages", headers) + '{"model":');
    }
    const [row] = await gateway.settled(1);
    assert.deepEqual([row?.["status"], row?.["error"]], [499, "client-closed-request"]);
    assert.equal(upstream.requests.length, 0);
  });
});

Deno.test("gateway refuses 33 MiB by the default limit, stated or chunked", async () => {
  const body = new Uint8Array(33 * MiB);
  await inGateway(async (gateway, upstream) => {
    for (const raw of [body, new Blob([body]).stream()]) {
      const answer = await call(gateway.url, "openai-chat", { raw });
      const error = assertError("openai-chat", answer, "request-too-large");
      assert.equal(error["details"].max_bytes, 32 * MiB);
    }
    assert.equal(upstream.requests.length, 0);
    assert.equal((await call(gateway.url, "openai-chat")).status, 200);
  }, { max_request_bytes: 32 * MiB });
});
