import type { DialectName } from "@/core/dialect_name.ts";
import { tokenDigestHex } from "@/core/tokens.ts";
import { TOKEN } from "../gateway.ts";

/** A string that is found again wherever it went. */
export const canary = (name: string) => `canary-${name}-7f3a9c51e2`;

/** A token that nobody has. */
export const STRANGER = `rtr_${canary("stranger")}_0123456789`;

/** What may be found nowhere. */
export const PLANTED: readonly string[] = [
  TOKEN,
  tokenDigestHex(TOKEN),
  STRANGER,
  ...[
    "agent",
    "arguments",
    "baggage",
    "bytes",
    "cookie",
    "fault",
    "group",
    "header",
    "idempotency",
    "image",
    "key",
    "method",
    "path",
    "prompt",
    "query",
    "reasoning",
    "reply",
    "result",
    "schema",
    "session",
    "state",
    "system",
    "tool",
  ].map(canary),
];

/** Headers that are nobody's business, with those a gateway reads among them. */
export const HEADERS: Readonly<Record<string, string>> = {
  "baggage": `who=${canary("baggage")}`,
  "cookie": `session=${canary("cookie")}`,
  "idempotency-key": canary("idempotency"),
  "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "tracestate": `vendor=${canary("state")}`,
  "user-agent": canary("agent"),
  "x-request-id": `${canary("path")} with blanks`,
  "x-session-id": canary("session"),
};

/** The members of a body that holds everything a conversation may hold. */
export function conversation(dialect: DialectName): Record<string, unknown> {
  const data = btoa(canary("bytes"));
  const url = `data:image/png;base64,${data}`;
  const parameters = { type: "object", properties: { x: { type: "string" } } };
  const about = { name: "look", description: canary("schema") };
  const args = { x: canary("arguments") };
  const call = { name: about.name, arguments: JSON.stringify(args) };
  const [system, text, output] = [canary("system"), canary("prompt"), canary("result")];
  switch (dialect) {
    case "openai-chat":
      return {
        tools: [{ type: "function", function: { ...about, parameters } }],
        messages: [
          { role: "system", content: system },
          {
            role: "user",
            content: [{ type: "text", text }, { type: "image_url", image_url: { url } }],
          },
          {
            role: "assistant",
            content: null,
            reasoning_content: canary("reasoning"),
            tool_calls: [{ id: "call_1", type: "function", function: call }],
          },
          { role: "tool", tool_call_id: "call_1", content: output },
        ],
      };
    case "openai-responses":
      return {
        instructions: system,
        tools: [{ type: "function", ...about, parameters }],
        input: [
          {
            role: "user",
            content: [{ type: "input_text", text }, { type: "input_image", image_url: url }],
          },
          { type: "function_call", call_id: "call_1", ...call },
          { type: "function_call_output", call_id: "call_1", output },
        ],
      };
    case "anthropic": {
      const source = { type: "base64", media_type: "image/png", data };
      const thinking = { type: "thinking", thinking: canary("reasoning"), signature: "c2lnbmVk" };
      return {
        system,
        tools: [{ ...about, input_schema: parameters }],
        messages: [
          { role: "user", content: [{ type: "text", text }, { type: "image", source }] },
          {
            role: "assistant",
            content: [thinking, { type: "tool_use", id: "toolu_1", name: about.name, input: args }],
          },
          {
            role: "user",
            content: [{ type: "tool_result", tool_use_id: "toolu_1", content: output }],
          },
        ],
      };
    }
  }
}

/** A canary in the forms it could take: as it is, in hex, and in base64 at any place of a group of three. */
export function formsOf(planted: string): readonly string[] {
  const inBase64 = [0, 1, 2].map((offset) => {
    const text = btoa("\0".repeat(offset) + planted).replace(/=+$/, "");
    // The first and last characters also hold bits of what stands beside.
    return text.slice(offset === 0 ? 0 : offset + 1, -1);
  });
  return [planted, new TextEncoder().encode(planted).toHex(), ...inBase64];
}
