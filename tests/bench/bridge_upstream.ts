import { type Socket } from "node:net";
import { createServer } from "node:net";

/**
 * A provider of Chat and of Messages with one text: whole, or, for a model whose name begins with
 * `slow`, in 64 deltas with 20 ms between them. It writes prepared bytes to its sockets, so that it
 * costs little beside what is measured.
 */
const DELTAS = 64;
const PAUSE_MS = 20;
const WORDS = "a reply of some words ";

const json = (value: unknown) => JSON.stringify(value);

const chatReply = json({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "bench",
  choices: [{
    index: 0,
    message: { role: "assistant", content: WORDS.repeat(8), refusal: null },
    logprobs: null,
    finish_reason: "stop",
  }],
  usage: { prompt_tokens: 30, completion_tokens: 40, total_tokens: 70 },
});

const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "bench",
  content: [{ type: "text", text: WORDS.repeat(8) }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 30, output_tokens: 40 },
};

function frame(type: string, more: object): string {
  return `event: ${type}\ndata: ${json({ type, ...more })}\n\n`;
}

const opening =
  frame("message_start", { message: { ...message, content: [], stop_reason: null } }) +
  frame("content_block_start", { index: 0, content_block: { type: "text", text: "" } });
const delta = frame("content_block_delta", {
  index: 0,
  delta: { type: "text_delta", text: "some words" },
});
const closing = frame("content_block_stop", { index: 0 }) +
  frame("message_delta", {
    delta: { stop_reason: "end_turn", stop_sequence: null },
    usage: { output_tokens: 40 },
  }) + frame("message_stop", {});

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const whole = (body: string) =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

const CHAT = whole(chatReply);
const MESSAGE = whole(json(message));
const STREAM = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" +
  `transfer-encoding: chunked\r\n\r\n${chunk(opening)}`;
const DELTA = chunk(delta);
const END = `${chunk(closing)}0\r\n\r\n`;

function stream(socket: Socket): void {
  socket.write(STREAM);
  let sent = 0;
  const timer = setInterval(() => {
    if (!socket.writable) return clearInterval(timer);
    if (sent++ < DELTAS) return void socket.write(DELTA);
    clearInterval(timer);
    socket.write(END);
  }, PAUSE_MS);
}

/** Answers each whole request of a connection. */
function serve(socket: Socket): void {
  let pending = "";
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes) => {
    pending += bytes.toString("latin1");
    const end = pending.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/^content-length: (\d+)/im.exec(pending.slice(0, end))?.[1] ?? 0);
    if (pending.length < end + 4 + length) return;
    const request = pending.slice(0, end + 4 + length);
    pending = pending.slice(request.length);
    if (request.includes('"model":"slow"')) return stream(socket);
    socket.write(request.startsWith("POST /v1/messages") ? MESSAGE : CHAT);
  });
}

if (import.meta.main) {
  const server = createServer(serve);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (typeof address === "object") console.log(`http://127.0.0.1:${address?.port}`);
  });
}
