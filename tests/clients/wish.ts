import type { DialectName } from "@/core/dialect_name.ts";
import { z } from "zod";

/** What a test asks a client to get from a model. */
export interface Wish {
  readonly prompt: string;
  /** PNG bytes. */
  readonly image?: Uint8Array;
  readonly tools?: boolean;
  readonly object?: boolean;
  readonly reasoning?: boolean;
  /** Whether the answer comes whole instead of streamed. */
  readonly unary?: boolean;
}

/** What a client got, put together by its own helpers. */
export interface Outcome {
  readonly text: string;
  /** `null` where the client does not show reasoning. */
  readonly reasoning: string | null;
  /** The value of a structured output, read by the client. */
  readonly object: unknown;
  /** Tokens of the last call, as the client reports them. */
  readonly usage: { readonly input: number; readonly output: number };
}

/** A client library, speaking one dialect. */
export interface Client {
  readonly name: string;
  readonly dialect: DialectName;
  /** Gets the answer; calls of tools are run and answered until there are none. */
  grant(wish: Wish): Promise<Outcome>;
}

/** Where clients find the gateway. */
export interface Place {
  readonly url: string;
  readonly token: string;
}

export const INSTRUCTIONS = "You are a weather desk — answer in one line.";
export const CAP = 8_000;
export const BUDGET = 2_048;

/** The value every structured output has. */
export const REPORT = { city: "Köln 🌧", degrees: -3.5, dry: false };
export const reportSchema = z.strictObject({
  city: z.string(),
  degrees: z.number(),
  dry: z.boolean(),
});

/** What the tools take, and what they say. */
export const cityInput = z.strictObject({ city: z.string().describe("name of the city") });
export const TOOLS = {
  weather: {
    description: "The weather of a city",
    run: ({ city }: z.infer<typeof cityInput>) => `${city}: "sunny" \\ ☀`,
  },
  clock: {
    description: "The time in a city",
    run: ({ city }: z.infer<typeof cityInput>) => `${city}: 12:00`,
  },
} as const;

/** JSON schema of the tools' input. */
export const citySchema = {
  type: "object" as const,
  properties: { city: { type: "string", description: "name of the city" } },
  required: ["city"],
  additionalProperties: false,
};

/** Runs a tool on arguments as the model wrote them. */
export function runTool(name: string, input: unknown): string {
  if (name !== "weather" && name !== "clock") throw new Error(`Cannot run ${name}`);
  return TOOLS[name].run(cityInput.parse(input));
}

/** A picture as a data URL. */
export const dataUrl = (image: Uint8Array) => `data:image/png;base64,${base64(image)}`;

export const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));
