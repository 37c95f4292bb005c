import type { Dialect } from "@/core/dialect.ts";
import { openAiHeaders, openAiLimitHeaders } from "../openai_headers.ts";
import { encodeOpenAiModel, encodeOpenAiModelList } from "../openai_models.ts";
import { responsesEdits } from "./edits.ts";
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
  speaks: (path) => path === "/v1/responses" || path.startsWith("/v1/responses/"),
  features: responsesFeatures,
  edits: responsesEdits,
  upstreamUrl: (baseUrl) => `${baseUrl}/responses`,
  upstreamHeaders: openAiHeaders,
  readReply: readResponse,
  tap: tapResponses,
  limitHeaders: openAiLimitHeaders,
  encodeError: encodeResponsesError,
  encodeTokenCount: encodeInputTokens,
  encodeModelList: encodeOpenAiModelList,
  encodeModel: encodeOpenAiModel,
};
