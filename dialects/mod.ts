import { registry } from "@/core/registry.ts";
import { anthropicMessages } from "./anthropic_messages/mod.ts";
import { openAiChat } from "./openai_chat/mod.ts";
import { openAiResponses } from "./openai_responses/mod.ts";

/** Every wire format, sorted by name. */
export const dialects = registry("dialect", [anthropicMessages, openAiChat, openAiResponses]);
