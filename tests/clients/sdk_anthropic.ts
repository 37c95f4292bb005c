import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import {
  base64,
  BUDGET,
  CAP,
  citySchema,
  type Client,
  INSTRUCTIONS,
  type Outcome,
  type Place,
  reportSchema,
  runTool,
  TOOLS,
  type Wish,
} from "./wish.ts";

/** The client of the Anthropic SDK. */
export function anthropicClients({ url, token }: Place): readonly Client[] {
  const anthropic = new Anthropic({ baseURL: url, apiKey: token, maxRetries: 0 });
  return [{
    name: "anthropic messages",
    dialect: "anthropic",
    grant: (wish) => messages(anthropic, wish),
  }];
}

async function messages(anthropic: Anthropic, wish: Wish): Promise<Outcome> {
  const turns: Anthropic.MessageParam[] = [{ role: "user", content: contentOf(wish) }];
  for (;;) {
    const request = {
      model: "fast",
      system: INSTRUCTIONS,
      messages: turns,
      max_tokens: CAP,
      ...(wish.tools ? { tools } : {}),
      ...(wish.object ? { output_config: { format: zodOutputFormat(reportSchema) } } : {}),
      ...(wish.reasoning ? { thinking: { type: "enabled" as const, budget_tokens: BUDGET } } : {}),
    };
    const message = wish.unary
      ? await anthropic.messages.parse(request)
      : await anthropic.messages.stream(request).finalMessage();
    const calls = message.content.filter((block) => block.type === "tool_use");
    if (calls.length === 0) {
      const { input_tokens, output_tokens } = message.usage;
      return {
        text: message.content.flatMap((one) => one.type === "text" ? one.text : []).join(""),
        reasoning: message.content.flatMap((one) => one.type === "thinking" ? one.thinking : [])
          .join("\n\n"),
        object: message.parsed_output,
        usage: { input: input_tokens, output: output_tokens },
      };
    }
    turns.push({ role: "assistant", content: message.content });
    turns.push({
      role: "user",
      content: calls.map(({ id, name, input }) => ({
        type: "tool_result",
        tool_use_id: id,
        content: runTool(name, input),
      })),
    });
  }
}

function contentOf({ prompt, image }: Wish): Anthropic.ContentBlockParam[] {
  const text = { type: "text" as const, text: prompt };
  if (!image) return [text];
  const source = {
    type: "base64" as const,
    media_type: "image/png" as const,
    data: base64(image),
  };
  return [text, { type: "image", source }];
}

const tools: Anthropic.Tool[] = (["weather", "clock"] as const).map((name) => ({
  name,
  description: TOOLS[name].description,
  input_schema: citySchema,
}));
