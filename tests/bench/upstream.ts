/** A provider that answers at once: a unary reply, or 20 frames for a body with `"stream":true`. */
const FRAMES = 20;

const reply = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "bench",
  choices: [{
    index: 0,
    message: { role: "assistant", content: "a reply of some words ".repeat(8), refusal: null },
    logprobs: null,
    finish_reason: "stop",
  }],
  usage: { prompt_tokens: 30, completion_tokens: 40, total_tokens: 70 },
});

function chunk(delta: object, finish: string | null): string {
  return `data: ${
    JSON.stringify({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "bench",
      choices: [{ index: 0, delta, finish_reason: finish }],
    })
  }\n\n`;
}

const usage = `data: ${
  JSON.stringify({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model: "bench",
    choices: [],
    usage: { prompt_tokens: 30, completion_tokens: 40, total_tokens: 70 },
  })
}\n\n`;

const frames = [
  chunk({ role: "assistant", content: "" }, null),
  ...Array.from({ length: FRAMES - 4 }, () => chunk({ content: "some words" }, null)),
  chunk({}, "stop"),
  usage,
  "data: [DONE]\n\n",
].map((frame) => new TextEncoder().encode(frame));

const STREAM = new TextEncoder().encode('"stream":true');

function asksForStream(body: Uint8Array): boolean {
  const tail = new TextDecoder().decode(body.subarray(0, 512));
  return tail.includes(new TextDecoder().decode(STREAM));
}

function stream(): Response {
  let next = 0;
  const body = new ReadableStream({
    pull(controller) {
      const frame = frames[next++];
      if (frame) controller.enqueue(frame);
      else controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

if (import.meta.main) {
  Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`),
  }, async (request) => {
    const body = await request.bytes();
    return asksForStream(body)
      ? stream()
      : new Response(reply, { headers: { "content-type": "application/json" } });
  });
}
