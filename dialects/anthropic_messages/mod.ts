import type { Dialect } from "@/core/dialect.ts";
import { anthropicLimitHeaders } from "../anthropic_limit_headers.ts";
import { decodeMessagesRequest } from "./decode_request.ts";
import { decodeMessagesResponse } from "./decode_response.ts";
import { decodeMessagesStream } from "./decode_stream.ts";
import { messagesEdits } from "./edits.ts";
import { encodeMessagesRequest } from "./encode_request.ts";
import { encodeMessagesResponse } from "./encode_response.ts";
import { encodeMessagesStream } from "./encode_stream.ts";
import { encodeMessagesError, encodeMessagesTokenCount } from "./errors.ts";
import { encodeAnthropicModel, encodeAnthropicModelList } from "./models.ts";
import { readMessage } from "./reply.ts";
import { messagesFeatures } from "./request.ts";
import { tapMessages } from "./stream.ts";

const PATHS = ["/v1/messages", "/anthropic/v1/messages"] as const;

/** The version of the wire format when the caller names none. */
const DEFAULT_VERSION = "2023-06-01";

/** Anthropic Messages. */
export const anthropicMessages: Dialect = {
  name: "anthropic",
  endpoint: "messages",
  paths: PATHS,
  countPaths: PATHS.map((path) => `${path}/count_tokens`),
  requestIdHeaders: ["x-request-id", "request-id"],
  authScheme: "x-api-key",
  outputCapFields: ["max_tokens"],
  speaks: (path, headers) =>
    headers.has("anthropic-version") || /^\/(anthropic|v1\/messages)(\/|$)/.test(path),
  features: messagesFeatures,
  edits: messagesEdits,
  upstreamUrl,
  upstreamHeaders,
  readReply: readMessage,
  tap: tapMessages,
  limitHeaders: anthropicLimitHeaders,
  decodeRequest: decodeMessagesRequest,
  encodeRequest: encodeMessagesRequest,
  decodeResponse: decodeMessagesResponse,
  encodeResponse: encodeMessagesResponse,
  decodeStream: decodeMessagesStream,
  encodeStream: encodeMessagesStream,
  toolLimits: { custom: false, namespaces: false, callId: /^[A-Za-z0-9_-]{1,64}$/ },
  keepAlive: 'event: ping\ndata: {"type":"ping"}\n\n',
  encodeError: encodeMessagesError,
  encodeTokenCount: encodeMessagesTokenCount,
  encodeModelList: encodeAnthropicModelList,
  encodeModel: encodeAnthropicModel,
};

/** Of the caller's query only `beta=true` goes on. */
function upstreamUrl(baseUrl: string, search: string): string {
  const beta = search !== "" && new URLSearchParams(search).get("beta") === "true";
  return `${baseUrl}/v1/messages${beta ? "?beta=true" : ""}`;
}

function upstreamHeaders(headers: Headers): Record<string, string> {
  const version = headers.get("anthropic-version") ?? DEFAULT_VERSION;
  // Headers joins repeats with ", "; the wire joins them with ",".
  const beta = headers.get("anthropic-beta")?.split(",").map((name) => name.trim()).join(",");
  return beta ? { "anthropic-version": version, "anthropic-beta": beta } : {
    "anthropic-version": version,
  };
}
