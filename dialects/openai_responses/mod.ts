import type { Dialect } from "@/core/dialect.ts";
import { openAiHeaders, openAiLimitHeaders } from "../openai_headers.ts";
import { encodeOpenAiModel, encodeOpenAiModelList } from "../openai_models.ts";
import { codexCatalog } from "./codex_catalog.ts";
import { decodeResponsesRequest } from "./decode_request.ts";
import { decodeResponsesResponse } from "./decode_response.ts";
import { decodeResponsesStream } from "./decode_stream.ts";
import { responsesEdits } from "./edits.ts";
import { encodeResponsesRequest } from "./encode_request.ts";
import { encodeResponsesResponse } from "./encode_response.ts";
import { encodeResponsesStream } from "./encode_stream.ts";
import { encodeInputTokens, encodeResponsesError } from "./errors.ts";
import { readResponse } from "./reply.ts";
import { responsesFeatures } from "./request.ts";
import { tapResponses } from "./stream.ts";

/** OpenAI Responses. */
export const openAiResponses: Dialect = {
  name: "openai-responses",
  endpoint: "responses",
  paths: ["/v1/responses"],
  countPaths: ["/v1/responses/input_tokens"],
  requestIdHeaders: ["x-request-id"],
  authScheme: "bearer",
  outputCapFields: ["max_output_tokens"],
  speaks: (path) => path === "/v1/responses" || path.startsWith("/v1/responses/"),
  features: responsesFeatures,
  edits: responsesEdits,
  upstreamUrl: (baseUrl) => `${baseUrl}/responses`,
  upstreamHeaders: openAiHeaders,
  readReply: readResponse,
  tap: tapResponses,
  limitHeaders: openAiLimitHeaders,
  decodeRequest: decodeResponsesRequest,
  encodeRequest: encodeResponsesRequest,
  decodeResponse: decodeResponsesResponse,
  encodeResponse: encodeResponsesResponse,
  decodeStream: decodeResponsesStream,
  encodeStream: encodeResponsesStream,
  toolLimits: { custom: true, namespaces: true, callId: /^.{1,64}$/s },
  keepAlive: ":\n\n",
  encodeError: encodeResponsesError,
  encodeTokenCount: encodeInputTokens,
  encodeModelList: encodeOpenAiModelList,
  encodeModel: encodeOpenAiModel,
  catalog: codexCatalog,
};
