/** A request as it came over the socket. */
export interface RawRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Bytes that arrive in pieces and are taken by size or up to a line's end. */
interface ByteQueue {
  push(bytes: Uint8Array): void;
  /** No more bytes will come. */
  end(): void;
  /** Text up to the next CRLF, which is taken too; `null` at the end. */
  line(): Promise<string | null>;
  /** Exactly `size` bytes; `null` when the end comes first. */
  take(size: number): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** Builds an empty queue. */
export function byteQueue(): ByteQueue {
  let held = new Uint8Array(0);
  let ended = false;
  let more = Promise.withResolvers<void>();
  const wake = () => {
    more.resolve();
    more = Promise.withResolvers<void>();
  };
  const cutOff = (size: number) => {
    const taken = held.slice(0, size);
    held = held.slice(size);
    return taken;
  };
  return {
    push(bytes) {
      held = joined(held, bytes);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async line() {
      for (;;) {
        const at = held.indexOf(10);
        if (at >= 0) return new TextDecoder().decode(cutOff(at + 1)).replace(/\r?\n$/, "");
        if (ended) return null;
        await more.promise;
      }
    },
    async take(size) {
      while (held.length < size) {
        if (ended) return null;
        await more.promise;
      }
      return cutOff(size);
    },
  };
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Reads one HTTP/1.1 request; `null` when the connection ends before or inside it. */
export async function readRequest(input: ByteQueue): Promise<RawRequest | null> {
  const first = await input.line();
  if (first === null) return null;
  const [method = "", path = ""] = first.split(" ");
  const headers = new Headers();
  for (;;) {
    const line = await input.line();
    if (line === null) return null;
    if (line === "") break;
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const chunked = headers.get("transfer-encoding")?.toLowerCase() === "chunked";
  const length = Number(headers.get("content-length") ?? 0);
  const body = chunked ? await readChunked(input) : await input.take(length);
  return body && { method, path, headers, body };
}

async function readChunked(input: ByteQueue): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (;;) {
    const size = parseInt(await input.line() ?? "", 16);
    if (Number.isNaN(size)) return null;
    const chunk = await input.take(size);
    if (chunk === null || await input.line() === null) return null;
    if (size === 0) return joined(...chunks);
    chunks.push(chunk);
  }
}

/** The head of a response, blank line included. */
export function responseHead(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Scripted\r\n${lines.join("")}\r\n`;
}

/** Bytes as one chunk of a chunked body. */
export function asChunk(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  return joined(encoder.encode(`${bytes.length.toString(16)}\r\n`), bytes, encoder.encode("\r\n"));
}
