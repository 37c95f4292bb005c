import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import {
  CAP,
  citySchema,
  type Client,
  dataUrl,
  INSTRUCTIONS,
  type Outcome,
  type Place,
  reportSchema,
  runTool,
  TOOLS,
  type Wish,
} from "./wish.ts";

/** The two clients of the OpenAI SDK. */
export function openaiClients({ url, token }: Place): readonly Client[] {
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: 0 });
  return [
    { name: "openai chat", dialect: "openai-chat", grant: (wish) => chat(openai, wish) },
    {
      name: "openai responses",
      dialect: "openai-responses",
      grant: (wish) => responses(openai, wish),
    },
  ];
}

const names = ["weather", "clock"] as const;

async function chat(openai: OpenAI, wish: Wish): Promise<Outcome> {
  const messages: OpenAI.Chat.ChatCompletionMessageParam[] = [
    { role: "system", content: INSTRUCTIONS },
    { role: "user", content: chatContent(wish) },
  ];
  for (;;) {
    const request = chatRequest(wish, messages);
    const turn = await (wish.unary ? unaryChat : streamedChat)(openai, request);
    const { message, reasoning, usage } = turn;
    const calls = message.tool_calls ?? [];
    if (calls.length === 0) {
      return {
        text: message.content ?? "",
        reasoning,
        object: message.parsed,
        usage: { input: usage.prompt_tokens, output: usage.completion_tokens },
      };
    }
    messages.push(message);
    for (const call of calls) {
      if (call.type !== "function") throw new Error("Cannot run a custom tool");
      const content = runTool(call.function.name, JSON.parse(call.function.arguments));
      messages.push({ role: "tool", tool_call_id: call.id, content });
    }
  }
}

function chatContent({ prompt, image }: Wish): string | OpenAI.Chat.ChatCompletionContentPart[] {
  if (!image) return prompt;
  return [
    { type: "text", text: prompt },
    { type: "image_url", image_url: { url: dataUrl(image), detail: "low" } },
  ];
}

function chatRequest(wish: Wish, messages: OpenAI.Chat.ChatCompletionMessageParam[]) {
  return {
    model: "fast",
    messages,
    max_completion_tokens: CAP,
    ...(wish.tools ? { tools: chatTools, parallel_tool_calls: true } : {}),
    ...(wish.object ? { response_format: zodResponseFormat(reportSchema, "report") } : {}),
    ...(wish.reasoning ? { reasoning_effort: "medium" as const } : {}),
  };
}

async function streamedChat(openai: OpenAI, request: ReturnType<typeof chatRequest>) {
  const stream = openai.chat.completions.stream({
    ...request,
    stream_options: { include_usage: true },
  });
  let reasoning = "";
  stream.on("chunk", ({ choices }) => void (reasoning += reasoningOf(choices[0]?.delta)));
  const { message } = (await stream.finalChatCompletion()).choices[0]!;
  return { message, reasoning, usage: await stream.totalUsage() };
}

async function unaryChat(openai: OpenAI, request: ReturnType<typeof chatRequest>) {
  const { choices, usage } = await openai.chat.completions.parse(request);
  const { message } = choices[0]!;
  return { message, reasoning: reasoningOf(message), usage: usage! };
}

/** A member that the SDK passes on and does not type. */
function reasoningOf(part: object | undefined): string {
  return part && "reasoning_content" in part ? String(part.reasoning_content) : "";
}

const chatTools: OpenAI.Chat.ChatCompletionFunctionTool[] = names.map((name) => ({
  type: "function",
  function: { name, description: TOOLS[name].description, parameters: citySchema, strict: true },
}));

async function responses(openai: OpenAI, wish: Wish): Promise<Outcome> {
  const input: OpenAI.Responses.ResponseInputItem[] = [{
    role: "user",
    content: [
      { type: "input_text", text: wish.prompt },
      ...(wish.image
        ? [{ type: "input_image" as const, image_url: dataUrl(wish.image), detail: "low" as const }]
        : []),
    ],
  }];
  for (;;) {
    const request = responsesRequest(wish, input);
    const response = wish.unary
      ? await openai.responses.parse(request)
      : await openai.responses.stream(request).finalResponse();
    if (response.status === "failed") throw new Error(response.error?.code);
    const calls = response.output.filter((item) => item.type === "function_call");
    if (calls.length === 0) {
      const { input_tokens, output_tokens } = response.usage!;
      return {
        text: response.output_text,
        reasoning: response.output.flatMap((item) => item.type === "reasoning" ? item.summary : [])
          .map(({ text }) => text).join("\n\n"),
        object: response.output_parsed,
        usage: { input: input_tokens, output: output_tokens },
      };
    }
    input.push(...response.output as OpenAI.Responses.ResponseInputItem[]);
    for (const { call_id, name, arguments: text } of calls) {
      const output = runTool(name, JSON.parse(text));
      input.push({ type: "function_call_output", call_id, output });
    }
  }
}

function responsesRequest(wish: Wish, input: OpenAI.Responses.ResponseInputItem[]) {
  return {
    model: "fast",
    instructions: INSTRUCTIONS,
    input,
    max_output_tokens: CAP,
    store: false,
    ...(wish.tools ? { tools: responsesTools, parallel_tool_calls: true } : {}),
    ...(wish.object ? { text: { format: zodTextFormat(reportSchema, "report") } } : {}),
    ...(wish.reasoning
      ? {
        reasoning: { effort: "medium" as const, summary: "auto" as const },
        include: ["reasoning.encrypted_content" as const],
      }
      : {}),
  };
}

const responsesTools: OpenAI.Responses.FunctionTool[] = names.map((name) => ({
  type: "function",
  name,
  description: TOOLS[name].description,
  parameters: citySchema,
  strict: true,
}));
