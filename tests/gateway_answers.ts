import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { ERRORS, type ErrorType } from "@/core/errors.ts";
import type { Loose } from "./gateway.ts";
import type { Answer } from "./gateway_client.ts";

/** Asserts an error of the gateway as a caller of a dialect gets it; gives its `error` member. */
export function assertError(dialect: DialectName, answer: Answer, type: ErrorType): Loose {
  assert.equal(answer.headers.get("content-type"), "application/json");
  const body = answer.json();
  const error: Loose = body["error"];
  assert.equal(error["type"], type, answer.text);
  assert.equal(answer.status, ERRORS[type].status);
  assert.match(answer.id, /^req_[0-9a-f]{32}$/);
  assert.equal(error["details"].request_id, answer.id);
  const givesUp = answer.headers.get("x-should-retry") === "false";
  assert.equal(error["details"].retryable, !givesUp, "the body and the header agree on retrying");
  assertEnvelope(dialect, answer, body);
  return error;
}

function assertEnvelope(dialect: DialectName, answer: Answer, body: Loose): void {
  const error: Loose = body["error"];
  if (dialect === "anthropic") {
    assert.deepEqual(Object.keys(body), ["type", "error", "request_id"]);
    assert.deepEqual(Object.keys(error), ["type", "message", "details"]);
    assert.equal(body["type"], "error");
    assert.equal(body["request_id"], answer.id);
    return assert.equal(answer.headers.get("request-id"), answer.id);
  }
  assert.deepEqual(Object.keys(body), ["error"]);
  assert.deepEqual(Object.keys(error), ["type", "message", "code", "param", "details"]);
  const { type } = error as { type: string };
  const code = type === "context-length-exceeded" ? "context_length_exceeded" : type;
  assert.equal(error["code"], code);
}

/** What no stream that broke off may hold: words that make it look finished. */
const FINISHED: Readonly<Record<DialectName, RegExp>> = {
  "openai-chat": /\[DONE\]|"finish_reason":"/,
  "openai-responses": /response\.(completed|incomplete)"/,
  "anthropic": /message_(delta|stop)/,
};

/** Asserts that a stream's text ends with the gateway's own error frame, and never looks finished. */
export function assertErrorFrame(
  dialect: DialectName,
  text: string,
  { type, id }: { readonly type: ErrorType; readonly id: string },
): void {
  assert.doesNotMatch(text, FINISHED[dialect]);
  assert(text.endsWith("\n\n"), "the last frame is whole");
  const last = text.split("\n\n").at(-2) ?? "";
  const [first = "", second = ""] = last.split("\n");
  if (dialect === "openai-chat") {
    const { error } = JSON.parse(first.slice("data: ".length));
    assert.deepEqual([error.type, error.code, error.details.request_id], [type, type, id]);
    return;
  }
  const value = JSON.parse(second.slice("data: ".length));
  if (dialect === "anthropic") {
    assert.equal(first, "event: error");
    assert.deepEqual([value.type, value.error.type, value.request_id], ["error", type, id]);
    return;
  }
  assert.equal(first, "event: response.failed");
  assert.equal(value.response.status, "failed");
  assert.equal(value.type, "response.failed");
  assert(typeof value.response.error.code === "string");
}
