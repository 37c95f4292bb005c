import Anthropic from "@anthropic-ai/sdk";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { echoUpstream } from "@/plugins/echo/mod.ts";
import { serveEcho } from "@/plugins/echo/server.ts";
import { SCHEMA, SMALLEST } from "./echo_requests.ts";

const MESSAGES = [{ role: "user" as const, content: "hello wide world" }];
const TEXT = "hello wide world";

interface Clients {
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
}

/** A test with the official clients on a real socket. */
function test(name: string, body: (clients: Clients) => Promise<void>): void {
  Deno.test(name, async () => {
    const server = serveEcho(echoUpstream, { hostname: "127.0.0.1", port: 0 });
    const options = { apiKey: "none", maxRetries: 0 };
    try {
      await body({
        openai: new OpenAI({ ...options, baseURL: `${server.url}/any/v1` }),
        anthropic: new Anthropic({ ...options, baseURL: `${server.url}/any` }),
      });
    } finally {
      await server.stop();
    }
  });
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

test("openai client reads a chat reply and its stream", async ({ openai }) => {
  const request = { model: "echo", messages: MESSAGES };
  const reply = await openai.chat.completions.create(request);
  assert.equal(reply.choices[0]?.message.content, TEXT);
  assert.equal(reply.usage?.total_tokens, 8);
  const chunks = await all(await openai.chat.completions.create({ ...request, stream: true }));
  const words = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "");
  assert.deepEqual(words, ["", "hello", " wide", " world", ""]);
});

test("openai client's chat helper puts a stream together", async ({ openai }) => {
  const stream = openai.chat.completions.stream({
    model: "echo",
    messages: MESSAGES,
    stream_options: { include_usage: true },
  });
  const reply = await stream.finalChatCompletion();
  assert.equal(reply.choices[0]?.message.content, TEXT);
  assert.equal((await stream.totalUsage()).total_tokens, 8);
});

test("openai client's chat helper puts a tool call together", async ({ openai }) => {
  const parameters = { ...SCHEMA };
  const stream = openai.chat.completions.stream({
    model: "echo-tool-call",
    messages: MESSAGES,
    tools: [{ type: "function", function: { name: "weather", parameters } }],
  });
  const reply = await stream.finalChatCompletion();
  const call = reply.choices[0]?.message.tool_calls?.[0];
  assert(call?.type === "function");
  assert.equal(call.function.name, "weather");
  assert.deepEqual(JSON.parse(call.function.arguments), SMALLEST);
  assert.equal(reply.choices[0]?.finish_reason, "tool_calls");
});

test("openai client reads a response", async ({ openai }) => {
  const reply = await openai.responses.create({ model: "echo", input: TEXT });
  assert.equal(reply.output_text, TEXT);
  assert.equal(reply.status, "completed");
  assert.equal(reply.usage?.total_tokens, 8);
});

test("openai client's responses helper puts a stream together", async ({ openai }) => {
  for (const model of ["echo", "echo-reasoning"]) {
    const stream = openai.responses.stream({ model, input: TEXT });
    const reply = await stream.finalResponse();
    assert.equal(reply.output_text, TEXT);
    const types = reply.output.map(({ type }) => type);
    assert.deepEqual(types, model === "echo" ? ["message"] : ["reasoning", "message"]);
  }
});

test("openai client's responses helper reads a cut stream", async ({ openai }) => {
  const stream = openai.responses.stream({ model: "echo", input: TEXT, max_output_tokens: 2 });
  const events = await all(stream);
  const last = events.at(-1);
  assert(last?.type === "response.incomplete");
  assert.equal(last.response.incomplete_details?.reason, "max_output_tokens");
});

test("openai client's responses helper puts tool calls together", async ({ openai }) => {
  const functions = [{
    type: "function" as const,
    name: "weather",
    parameters: SCHEMA,
    strict: false,
  }];
  const model = "echo-tool-call";
  const call = await openai.responses.stream({ model, input: TEXT, tools: functions })
    .finalResponse();
  const item = call.output[0];
  assert(item?.type === "function_call");
  assert.deepEqual(JSON.parse(item.arguments), SMALLEST);
  const tools = [{ type: "custom" as const, name: "patch" }];
  const custom = await openai.responses.stream({ model, input: TEXT, tools }).finalResponse();
  assert(custom.output[0]?.type === "custom_tool_call");
  assert.equal(custom.output[0].input, TEXT);
});

test("anthropic client reads a message and its stream", async ({ anthropic }) => {
  const request = { model: "echo", max_tokens: 100, messages: MESSAGES };
  const reply = await anthropic.messages.create(request);
  const block = reply.content[0];
  assert(block?.type === "text");
  assert.equal(block.text, TEXT);
  assert.deepEqual([reply.usage.input_tokens, reply.usage.output_tokens], [4, 4]);
  const events = await all(await anthropic.messages.create({ ...request, stream: true }));
  assert.equal(events[0]?.type, "message_start");
  assert.equal(events.at(-1)?.type, "message_stop");
});

test("anthropic client's helper puts a stream together", async ({ anthropic }) => {
  const request = { model: "echo-reasoning", max_tokens: 100, messages: MESSAGES };
  const reply = await anthropic.messages.stream(request).finalMessage();
  assert.deepEqual(reply.content.map(({ type }) => type), ["thinking", "text"]);
  assert.equal(reply.stop_reason, "end_turn");
  assert(reply.content[0]?.type === "thinking" && reply.content[0].signature.length > 0);
  const cut = await anthropic.messages.stream({ ...request, model: "echo", max_tokens: 2 })
    .finalMessage();
  assert.deepEqual([cut.stop_reason, cut.usage.output_tokens], ["max_tokens", 2]);
});

test("anthropic client's helper puts a tool call together", async ({ anthropic }) => {
  const tools = [{ name: "weather", input_schema: { ...SCHEMA, type: "object" as const } }];
  const reply = await anthropic.messages.stream({
    model: "echo-tool-call",
    max_tokens: 100,
    messages: MESSAGES,
    tools,
  }).finalMessage();
  const block = reply.content[0];
  assert(block?.type === "tool_use");
  assert.deepEqual(block.input, SMALLEST);
  assert.equal(reply.stop_reason, "tool_use");
});

test("anthropic client's helper bears a stream without usage", async ({ anthropic }) => {
  const request = { model: "echo-no-usage", max_tokens: 100, messages: MESSAGES };
  const reply = await anthropic.messages.stream(request).finalMessage();
  assert.equal(reply.stop_reason, "end_turn");
  assert.equal(reply.usage.output_tokens, undefined);
});

test("clients map scripted errors to their own classes", async ({ openai, anthropic }) => {
  const classes = [
    [400, OpenAI.BadRequestError, Anthropic.BadRequestError],
    [401, OpenAI.AuthenticationError, Anthropic.AuthenticationError],
    [403, OpenAI.PermissionDeniedError, Anthropic.PermissionDeniedError],
    [404, OpenAI.NotFoundError, Anthropic.NotFoundError],
    [409, OpenAI.ConflictError, Anthropic.ConflictError],
    [422, OpenAI.UnprocessableEntityError, Anthropic.UnprocessableEntityError],
    [429, OpenAI.RateLimitError, Anthropic.RateLimitError],
    [500, OpenAI.InternalServerError, Anthropic.InternalServerError],
  ] as const;
  for (const [status, openaiClass, anthropicClass] of classes) {
    const model = `echo-error-${status}`;
    const request = { model, messages: MESSAGES };
    await assert.rejects(openai.chat.completions.create(request), openaiClass);
    await assert.rejects(openai.responses.create({ model, input: TEXT }), openaiClass);
    const message = anthropic.messages.create({ ...request, max_tokens: 9 });
    await assert.rejects(message, anthropicClass);
  }
});

test("clients see an error inside a stream as an error", async ({ openai, anthropic }) => {
  const request = { model: "echo-error-in-stream", messages: MESSAGES };
  const told = /Scripted error in the stream/;
  const chat = await openai.chat.completions.create({ ...request, stream: true });
  await assert.rejects(all(chat), told);
  const events = await openai.responses.create({ model: request.model, input: TEXT, stream: true });
  await assert.rejects(all(events), told);
  const message = anthropic.messages.stream({ ...request, max_tokens: 9 });
  await assert.rejects(message.finalMessage(), told);
});

test("clients see a broken stream as an error", async ({ openai, anthropic }) => {
  const request = { model: "echo-drop-mid-stream", messages: MESSAGES };
  await assert.rejects(all(await openai.chat.completions.create({ ...request, stream: true })));
  await assert.rejects(anthropic.messages.stream({ ...request, max_tokens: 9 }).finalMessage());
  await assert.rejects(openai.responses.create({ model: request.model, input: TEXT }));
});

test("openai client reads the context error by its code", async ({ openai }) => {
  const model = "echo-error-context";
  await assert.rejects(
    openai.responses.create({ model, input: TEXT }),
    (error) => error instanceof OpenAI.BadRequestError && error.code === "context_length_exceeded",
  );
});
