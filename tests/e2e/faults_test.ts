import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { ERRORS } from "@/core/errors.ts";
import {
  caller,
  DIALECTS,
  type Loose,
  providerName,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import { assertError, assertErrorFrame } from "../gateway_answers.ts";
import { type Answer, call } from "../gateway_client.ts";
import { closedPort, reply, startUpstream, type TestUpstream } from "../upstream.ts";
import {
  ATTEMPT_MS,
  type FaultCase,
  faultCases,
  faultScript,
  followed,
  IDLE_MS,
  MAX_REPLY_BYTES,
} from "./fault_cases.ts";

/** What the steps of one matrix share. */
interface Matrix {
  readonly dialect: DialectName;
  readonly stream: boolean;
  readonly gateway: TestGateway;
  readonly upstream: TestUpstream;
}

for (const dialect of DIALECTS) {
  for (const stream of [false, true]) {
    const what = `${dialect} ${stream ? "stream" : "reply"}`;
    Deno.test(`gateway survives every fault of an upstream's ${what}`, async (t) => {
      const cases = await faultCases(dialect, stream);
      await using upstream = await startUpstream(faultScript(cases));
      await using gateway = await startMatrix(dialect, cases, upstream);
      const matrix = { dialect, stream, gateway, upstream };
      for (const fault of cases) {
        await t.step(`${fault.name}, alone, ends as ${fault.error}`, () => alone(matrix, fault));
        const then = fault.next && !fault.committed ? "moves on" : "does not move on";
        await t.step(`${fault.name} ${then}`, () => beforeHealthy(matrix, fault));
      }
      await t.step("the database holds what the journal holds", () => sameRows(gateway));
    });
  }
}

/** A group per fault, with and without a healthy target, so that no breaker knows another case. */
async function startMatrix(
  dialect: DialectName,
  cases: readonly FaultCase[],
  upstream: TestUpstream,
): Promise<TestGateway> {
  const groups = ["healthy", ...cases.flatMap(({ name }) => [`alone/${name}`, `next/${name}`])];
  const closed = await closedPort();
  const healthy = { provider: providerName(1, dialect), model: "healthy" };
  const limits = { attempt_timeout_ms: ATTEMPT_MS, stream_idle_timeout_ms: IDLE_MS };
  const models = Object.fromEntries(cases.flatMap(({ name, refused }) => {
    const provider = refused ? "closed" : healthy.provider;
    const group = { strategy: "failover", ...limits };
    return [
      [`alone/${name}`, { ...group, targets: [{ provider, model: name }] }],
      [`next/${name}`, { ...group, targets: [{ provider, model: followed(name) }, healthy] }],
    ];
  }));
  return await startTestGateway({
    upstreams: [upstream.url],
    providers: { closed: { base_url: closed, dialect } },
    models: { healthy: { targets: [healthy] }, ...models },
    server: { upstream: { max_response_bytes: MAX_REPLY_BYTES } },
    callers: [caller("ci", TOKEN, { allow: groups })],
  });
}

/** The fault ends the call: the right error for the caller, one row, and the gateway lives on. */
async function alone(matrix: Matrix, fault: FaultCase): Promise<void> {
  const { answer, row, calls } = await observe(matrix, `alone/${fault.name}`, fault.name);
  assertCalls(fault, calls);
  if (fault.committed) assertBrokenStream(matrix, fault, answer, row);
  else assertRefusal(matrix, fault, answer, row);
  assertAttempts(row, [fault]);
  await assertLives(matrix);
}

/** The fault happens in front of a healthy target. */
async function beforeHealthy(matrix: Matrix, fault: FaultCase): Promise<void> {
  const healthyBefore = callsOf(matrix, "healthy");
  const { answer, row, calls } = await observe(matrix, `next/${fault.name}`, followed(fault.name));
  assertCalls(fault, calls);
  const moved = callsOf(matrix, "healthy") - healthyBefore;
  if (fault.committed) {
    assert.equal(moved, 0);
    return assertBrokenStream(matrix, fault, answer, row);
  }
  assert.equal(moved, fault.next ? 1 : 0);
  if (!fault.next) return assertRefusal(matrix, fault, answer, row);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("x-router-attempts"), "2");
  assert.match(answer.text, /wide/);
  assert.deepEqual([row["status"], row["error"], row["fallback_used"]], [200, "", 1]);
  assertAttempts(row, [fault, null]);
}

function assertCalls({ refused, replayed }: FaultCase, calls: number): void {
  if (replayed) assert(calls === 1 || calls === 2);
  else assert.equal(calls, refused ? 0 : 1);
}

interface Observed {
  readonly answer: Answer;
  readonly row: Loose;
  /** Calls the faulty upstream got. */
  readonly calls: number;
}

/** Makes a call; it leaves exactly one row, under its own id. */
async function observe(matrix: Matrix, group: string, model: string): Promise<Observed> {
  const { gateway, dialect, stream } = matrix;
  const rowsBefore = gateway.rows().length;
  const before = callsOf(matrix, model);
  const answer = await call(gateway.url, dialect, { stream, body: { model: group } });
  const rows = gateway.rows();
  assert.equal(rows.length, rowsBefore + 1);
  const row = rows.at(-1)!;
  assert.equal(row["request_id"], answer.id);
  return { answer, row, calls: callsOf(matrix, model) - before };
}

function callsOf({ upstream }: Matrix, model: string): number {
  return upstream.requests.filter((request) => request.json()["model"] === model).length;
}

function assertRefusal({ dialect }: Matrix, fault: FaultCase, answer: Answer, row: Loose): void {
  const error = assertError(dialect, answer, fault.error);
  const { status, retry } = ERRORS[fault.error];
  const { retryable } = error["details"];
  assert.equal(retryable, retry !== "never" && fault.next);
  if (fault.error !== "context-length-exceeded") {
    assert.equal(answer.headers.get("x-router-error-class"), fault.class);
    assert.equal(error["details"].error_class, fault.class);
    const upstreamStatus = fault.upstreamStatus === undefined ? null : String(fault.upstreamStatus);
    assert.equal(answer.headers.get("x-upstream-status"), upstreamStatus);
  }
  const { retryAfter } = fault;
  assert.equal(answer.headers.get("retry-after"), retryAfter ?? null);
  assert.equal(answer.headers.get("retry-after-ms"), retryAfter ? `${retryAfter}000` : null);
  assert.doesNotMatch(answer.text, /[Ss]cripted|doctype/, "nothing of the upstream's body is told");
  assert.deepEqual([row["status"], row["error"], row["partial"]], [status, fault.error, 0]);
  assert.deepEqual([row["input_tokens"], row["total_cost_nusd"]], [0, 0]);
}

/** A stream that failed after content: its frames, then one error frame, and nothing that ends it. */
function assertBrokenStream(
  { dialect }: Matrix,
  fault: FaultCase,
  answer: Answer,
  row: Loose,
): void {
  assert.equal(answer.status, 200);
  assert.match(answer.text, /hello/);
  assert.doesNotMatch(answer.text, /wide/);
  if (fault.committed === "ours") {
    assertErrorFrame(dialect, answer.text, { type: fault.error, id: answer.id });
  } else {
    assert.match(answer.text, /Scripted error/);
    assert.doesNotMatch(answer.text, /upstream-failed/);
  }
  const { status } = ERRORS[fault.error];
  assert.deepEqual([row["status"], row["error"], row["partial"]], [status, fault.error, 1]);
  assert.deepEqual([row["attempts"], row["error_class"]], [1, fault.class]);
  assert(row["output_tokens"] > 0, "delivered content is not free");
}

/** A row of the record per attempt; `null` is one that served. */
function assertAttempts(row: Loose, attempts: readonly (FaultCase | null)[]): void {
  const told = (row["request_attempts"] as Loose[]).map((attempt) => [
    attempt["attempt_index"],
    attempt["outcome"],
    attempt["status_code"],
  ]);
  const expected = attempts.map((fault, index) => [
    index,
    fault?.class ?? "ok",
    fault ? fault.upstreamStatus ?? null : 200,
  ]);
  assert.deepEqual(told, expected);
  assert.equal(row["attempts"], attempts.length);
}

async function assertLives({ gateway, dialect, stream }: Matrix): Promise<void> {
  const answer = await call(gateway.url, dialect, { stream, body: { model: "healthy" } });
  assert.equal(answer.status, 200);
}

async function sameRows(gateway: TestGateway): Promise<void> {
  const facts = ({ request_id, status, error, attempts }: Loose) => ({
    request_id,
    status,
    error,
    attempts,
  });
  const byId = (a: Loose, b: Loose) => a["request_id"] < b["request_id"] ? -1 : 1;
  const journal = gateway.rows().map(facts).toSorted(byId);
  const database = await gateway.usageRows();
  assert.deepEqual(database.map(facts).toSorted(byId), journal);
  for (const row of database) assert.equal(row["attempt_rows"].length, row["attempts"]);
}

Deno.test("what a provider refused is told in known words, and how large the request was", async () => {
  const secret = "'max_tokens' of sk-secret is not supported";
  const refusal = { message: secret, code: "unsupported_parameter", param: "max_tokens.sk-secret" };
  await using upstream = await startUpstream(reply({ error: refusal }, { status: 400 }));
  await using gateway = await startTestGateway({ upstreams: [upstream.url] });
  const { status, text } = await call(gateway.url, "openai-chat", { body: { max_tokens: 9 } });
  assert.equal(status, 502);
  const { error }: Loose = JSON.parse(text);
  assert.equal(
    error.message,
    "Cannot finish the call: the provider refused the request (unsupported_parameter: max_tokens)",
  );
  const { reason_code, reason, requested_output_cap_bucket, total_request_bytes_bucket } =
    error.details;
  assert.deepEqual([reason_code, reason], ["unsupported_parameter", "schema"]);
  assert.deepEqual([requested_output_cap_bucket, total_request_bytes_bucket], ["1-256", "1b-1kb"]);
  assert.doesNotMatch(text, /sk-secret/);
});
