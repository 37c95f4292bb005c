import assert from "node:assert/strict";
import type { Json } from "@/core/json.ts";
import { upstreamDetails } from "@/core/upstream_details.ts";

const CASES: readonly (readonly [string, Json, Readonly<Record<string, string>>])[] = [
  [
    "an OpenAI refusal",
    {
      error: {
        message: "Invalid type for 'messages[0].content': expected a string",
        type: "invalid_request_error",
        param: "messages[0].content",
        code: null,
      },
    },
    { type: "invalid_request_error", param: "messages", provider_message: "schema" },
  ],
  [
    "an Anthropic error",
    { type: "error", error: { type: "overloaded_error", message: "Overloaded" } },
    { type: "overloaded_error", provider_message: "rate_limit" },
  ],
  [
    "words nobody knows",
    {
      error: { message: "sk-secret says hello", type: "sk-secret", param: "sk-secret", code: "x" },
    },
    { code: "other", type: "other", param: "other", provider_message: "other" },
  ],
  ["a text", { error: "You exceeded your current quota" }, { provider_message: "quota" }],
  ["a list", [{ error: { message: "prompt is too long" } }], {
    provider_message: "context_length",
  }],
  ["a detail", { detail: "The API key is wrong" }, { provider_message: "auth" }],
  ["no words", { error: { code: 7, message: "" } }, {}],
  ["nothing", null, {}],
];

for (const [what, body, expected] of CASES) {
  Deno.test(`details of ${what} are words of closed lists`, () => {
    const told = upstreamDetails(body).map(({ name, value }) => [name, value]);
    assert.deepEqual(Object.fromEntries(told), expected);
  });
}
