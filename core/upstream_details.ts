import { isObject, type Json, type JsonObject } from "./json.ts";

/** One thing a provider said of a failure, in words of a closed list. */
export interface UpstreamDetail {
  readonly name: "code" | "param" | "provider_message" | "type";
  readonly value: string;
}

/** Words that providers use as codes and types of errors; any other is `other`. */
export const KNOWN_CODES: ReadonlySet<string> = new Set([
  "account_deactivated",
  "api_error",
  "authentication_error",
  "billing_error",
  "billing_hard_limit_reached",
  "billing_not_active",
  "content_policy_violation",
  "context_length_exceeded",
  "insufficient_quota",
  "internal_error",
  "invalid_api_key",
  "invalid_prompt",
  "invalid_request_error",
  "model_not_found",
  "not_found_error",
  "overloaded_error",
  "permission_error",
  "rate_limit_error",
  "rate_limit_exceeded",
  "request_too_large",
  "server_error",
  "timeout_error",
  "tokens_exceeded",
  "unsupported_parameter",
  "unsupported_value",
]);

/** Members of requests that a refusal may name; deeper names may be a caller's own. */
const KNOWN_MEMBERS: ReadonlySet<string> = new Set([
  "input",
  "instructions",
  "max_completion_tokens",
  "max_output_tokens",
  "max_tokens",
  "messages",
  "metadata",
  "model",
  "parallel_tool_calls",
  "reasoning",
  "reasoning_effort",
  "response_format",
  "stop",
  "store",
  "stream",
  "stream_options",
  "system",
  "temperature",
  "text",
  "thinking",
  "tool_choice",
  "tools",
  "top_p",
]);

/** Words in which providers and the servers people run themselves say that a prompt is too long. */
export const CONTEXT_TEXT = new RegExp(
  [
    "context (length|window|limit|size)",
    "maximum context",
    "max(imum)? (prompt|model|input) length",
    "max_model_len",
    "token count \\(\\d+\\) exceeds",
    "`inputs` (tokens \\+|must have less than)",
    "(prompt|input) is too long",
    "too many (input )?tokens",
    "reduce the length of the (messages|prompt|input)",
  ].join("|"),
  "i",
);

/** What the words of a message are about: the first that fits. */
const MESSAGES: readonly (readonly [category: string, words: RegExp])[] = [
  ["context_length", CONTEXT_TEXT],
  ["billing", /billing|credit balance|payment|insufficient (credit|balance|funds)/i],
  ["quota", /quota/i],
  ["rate_limit", /rate.?limit|too many requests|overloaded/i],
  ["content_policy", /content.?(policy|filter|management)|safety|moderation/i],
  ["model_access", /model.{0,40}(not (exist|found)|access|available)|no access/i],
  ["auth", /api.?key|authenticat|unauthori[sz]ed|permission|credential/i],
  [
    "schema",
    /invalid|unsupported|not supported|unknown|unrecogni[sz]ed|missing|required|expected|must be/i,
  ],
];

/** The error object of an answer or an event: `{error:{..}}`, a bare error, one of these in an array. */
function errorOf(body: Json | undefined): JsonObject | null {
  const value = Array.isArray(body) ? body[0] : body;
  if (!isObject(value)) return null;
  const error = value["error"];
  if (typeof error === "string") return { message: error };
  return isObject(error) ? error : value;
}

/** What a provider said of a failure, as far as it is known: never its prose, nor a caller's names. */
export function upstreamDetails(body: Json | undefined): readonly UpstreamDetail[] {
  const error = errorOf(body);
  if (error === null) return [];
  const found: UpstreamDetail[] = [];
  const add = (name: UpstreamDetail["name"], field: Json | undefined, read: Read) => {
    if (typeof field === "string" && field !== "") found.push({ name, value: read(field) });
  };
  add("code", error["code"], known(KNOWN_CODES));
  add("type", error["type"], known(KNOWN_CODES));
  add("param", error["param"], (param) => known(KNOWN_MEMBERS)(/^\w*/.exec(param)![0]));
  add("provider_message", error["message"] ?? error["detail"], category);
  return found;
}

type Read = (text: string) => string;

const known = (words: ReadonlySet<string>): Read => (word) => words.has(word) ? word : "other";

function category(message: string): string {
  return MESSAGES.find(([, words]) => words.test(message))?.[0] ?? "other";
}
