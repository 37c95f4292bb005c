import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, type LanguageModel, Output, streamText, tool } from "ai";
import {
  BUDGET,
  CAP,
  cityInput,
  type Client,
  INSTRUCTIONS,
  type Outcome,
  type Place,
  reportSchema,
  TOOLS,
  type Wish,
} from "./wish.ts";

/** The Vercel AI SDK with its three ways to speak. */
export function vercelClients({ url, token }: Place): readonly Client[] {
  const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: token });
  const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: token });
  return [
    {
      name: "vercel openai chat",
      dialect: "openai-chat",
      // It shows no reasoning of this dialect.
      grant: async (wish) => ({
        ...await grant(openai.chat("fast"), { ...wish, reasoning: false }),
        reasoning: null,
      }),
    },
    {
      name: "vercel openai responses",
      dialect: "openai-responses",
      grant: (wish) => grant(openai.responses("fast"), wish),
    },
    {
      name: "vercel anthropic",
      dialect: "anthropic",
      grant: (wish) => grant(anthropic("fast"), wish),
    },
  ];
}

async function grant(model: LanguageModel, wish: Wish): Promise<Outcome> {
  let failure: unknown = null;
  const request = requestOf(model, wish);
  const result = wish.unary
    ? await generateText(request)
    : streamText({ ...request, onError: ({ error }) => void (failure = error) });
  if ("consumeStream" in result) await result.consumeStream();
  if (failure) throw failure;
  const { inputTokens, outputTokens } = (await result.finalStep).usage;
  return {
    text: await result.text,
    reasoning: await result.reasoningText ?? "",
    object: wish.object ? await result.output : null,
    usage: { input: inputTokens ?? 0, output: outputTokens ?? 0 },
  };
}

function requestOf(model: LanguageModel, { prompt, image, ...wish }: Wish) {
  return {
    model,
    instructions: INSTRUCTIONS,
    messages: [{
      role: "user" as const,
      content: [
        { type: "text" as const, text: prompt },
        ...(image ? [{ type: "file" as const, data: image, mediaType: "image/png" }] : []),
      ],
    }],
    maxOutputTokens: CAP,
    maxRetries: 0,
    stopWhen: isStepCount(5),
    providerOptions: {
      openai: {
        store: false,
        ...(wish.reasoning
          ? { forceReasoning: true, reasoningEffort: "medium", reasoningSummary: "auto" }
          : {}),
      },
      anthropic: {
        structuredOutputMode: "outputFormat",
        ...(wish.reasoning ? { thinking: { type: "enabled", budgetTokens: BUDGET } } : {}),
      },
    },
    ...(wish.tools ? { tools } : {}),
    ...(wish.object ? { output: Output.object({ schema: reportSchema }) } : {}),
  };
}

const tools = {
  weather: tool({ ...TOOLS.weather, inputSchema: cityInput, execute: TOOLS.weather.run }),
  clock: tool({ ...TOOLS.clock, inputSchema: cityInput, execute: TOOLS.clock.run }),
};
