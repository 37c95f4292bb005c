/** What a scripted model does, by the name the caller asked for. */
export type Script =
  | { readonly type: "echo" | "no_usage" | "reasoning" | "tool_call" | "json" }
  | { readonly type: "slow" | "drip"; readonly ms: number }
  | { readonly type: "error"; readonly status: number }
  | { readonly type: "error_context" | "error_in_stream" | "drop_mid_stream" }
  | { readonly type: "empty_stream" | "hang" };

/** A line of the table of models, for people. */
export interface ModelLine {
  readonly name: string;
  readonly does: string;
}

/** Every scripted model, sorted. */
export const MODELS: readonly ModelLine[] = [
  { name: "echo", does: "the last user text, a word per frame" },
  { name: "echo-drip-<n>ms", does: "as echo, n (1..60000) ms between frames" },
  { name: "echo-drop-mid-stream", does: "two text frames, then the connection breaks" },
  { name: "echo-empty-stream", does: "200 without a frame" },
  { name: "echo-error-<status>", does: "an error of that status (400..599)" },
  { name: "echo-error-context", does: "400: the context is too long" },
  { name: "echo-error-in-stream", does: "two text frames, then an error event" },
  { name: "echo-hang", does: "accepts and never answers" },
  { name: "echo-json", does: "the smallest value the requested schema allows" },
  { name: "echo-no-usage", does: "as echo, without usage" },
  { name: "echo-reasoning", does: "as echo, with a reasoning part first" },
  { name: "echo-slow-<n>ms", does: "as echo, n (1..60000) ms before the first byte" },
  { name: "echo-tool-call", does: "calls the forced or first tool; echoes its result" },
];

const PLAIN: Readonly<Record<string, Script>> = {
  "echo": { type: "echo" },
  "echo-drop-mid-stream": { type: "drop_mid_stream" },
  "echo-empty-stream": { type: "empty_stream" },
  "echo-error-context": { type: "error_context" },
  "echo-error-in-stream": { type: "error_in_stream" },
  "echo-hang": { type: "hang" },
  "echo-json": { type: "json" },
  "echo-no-usage": { type: "no_usage" },
  "echo-reasoning": { type: "reasoning" },
  "echo-tool-call": { type: "tool_call" },
};

const LONGEST_MS = 60_000;

/** Reads a model name; `null` when no scripted model has it. */
export function parseModel(model: string): Script | null {
  if (Object.hasOwn(PLAIN, model)) return PLAIN[model]!;
  const paced = /^echo-(slow|drip)-([1-9]\d{0,4})ms$/.exec(model);
  if (paced) {
    const ms = Number(paced[2]);
    return ms <= LONGEST_MS ? { type: paced[1] === "slow" ? "slow" : "drip", ms } : null;
  }
  const failed = /^echo-error-([45]\d\d)$/.exec(model);
  return failed ? { type: "error", status: Number(failed[1]) } : null;
}
