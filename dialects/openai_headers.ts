/** Caller headers that go to a provider of the caller's own OpenAI dialect. */
export function openAiHeaders(headers: Headers): Record<string, string> {
  const beta = headers.get("openai-beta");
  return beta === null ? {} : { "openai-beta": beta };
}
