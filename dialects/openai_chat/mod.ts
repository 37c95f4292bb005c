import type { Dialect } from "@/core/dialect.ts";
import { openAiHeaders, openAiLimitHeaders } from "../openai_headers.ts";
import { encodeOpenAiModel, encodeOpenAiModelList } from "../openai_models.ts";
import { decodeChatRequest } from "./decode_request.ts";
import { decodeChatResponse } from "./decode_response.ts";
import { decodeChatStream } from "./decode_stream.ts";
import { chatEdits } from "./edits.ts";
import { encodeChatRequest } from "./encode_request.ts";
import { encodeChatResponse } from "./encode_response.ts";
import { encodeChatStream } from "./encode_stream.ts";
import { encodeChatError, encodeChatTokenCount } from "./errors.ts";
import { readChatReply } from "./reply.ts";
import { chatFeatures } from "./request.ts";
import { readAsResponses } from "./responses_body.ts";
import { tapChat } from "./stream.ts";

/** OpenAI Chat Completions; also what paths speak that belong to no dialect. */
export const openAiChat: Dialect = {
  name: "openai-chat",
  endpoint: "chat",
  paths: ["/v1/chat/completions"],
  countPaths: [],
  requestIdHeaders: ["x-request-id"],
  authScheme: "bearer",
  outputCapFields: ["max_tokens", "max_completion_tokens"],
  // What clients expect where nothing says otherwise.
  speaks: () => true,
  readAsOther: readAsResponses,
  features: chatFeatures,
  edits: chatEdits,
  upstreamUrl: (baseUrl) => `${baseUrl}/chat/completions`,
  upstreamHeaders: openAiHeaders,
  readReply: readChatReply,
  tap: tapChat,
  limitHeaders: openAiLimitHeaders,
  decodeRequest: decodeChatRequest,
  encodeRequest: encodeChatRequest,
  decodeResponse: decodeChatResponse,
  encodeResponse: encodeChatResponse,
  decodeStream: decodeChatStream,
  encodeStream: encodeChatStream,
  toolLimits: { custom: false, namespaces: false, callId: /^.{1,40}$/s },
  keepAlive: ":\n\n",
  encodeError: encodeChatError,
  encodeTokenCount: encodeChatTokenCount,
  encodeModelList: encodeOpenAiModelList,
  encodeModel: encodeOpenAiModel,
};
