/** A connection on which a test writes what no HTTP client would. */
interface RawConnection extends Disposable {
  write(text: string | Uint8Array): Promise<void>;
  /** Everything the other side sends until it ends the connection. */
  rest(): Promise<string>;
  /** Everything the other side sends up to what the pattern ends with; rejects at the end. */
  until(pattern: RegExp): Promise<string>;
  /** At least one more byte; `null` at the end. */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** Opens a connection to a gateway. */
export async function connectRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  async function read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const buffer = new Uint8Array(65_536);
    const size = await connection.read(buffer);
    return size === null ? null : buffer.slice(0, size);
  }
  return {
    read,
    async write(text) {
      let bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
    },
    async rest() {
      const decoder = new TextDecoder();
      let text = "";
      for (let bytes = await read(); bytes; bytes = await read()) {
        text += decoder.decode(bytes, { stream: true });
      }
      return text;
    },
    async until(pattern) {
      const decoder = new TextDecoder();
      let text = "";
      while (!pattern.test(text)) {
        const bytes = await read();
        if (bytes === null) throw new Error(`Cannot find ${pattern} in what was sent: ${text}`);
        text += decoder.decode(bytes, { stream: true });
      }
      return text;
    },
    [Symbol.dispose]: () => connection.close(),
  };
}

/** Sends a whole request and reads until the connection ends. */
export async function exchangeRaw(url: string, request: string | Uint8Array): Promise<string> {
  using connection = await connectRaw(url);
  await connection.write(request);
  return await connection.rest();
}

/** Head of a request, blank line included; the connection ends with the answer. */
export function requestHead(
  line: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const all = { host: "gateway", connection: "close", ...headers };
  return [`${line} HTTP/1.1`, ...Object.entries(all).map(([name, value]) => `${name}: ${value}`)]
    .join("\r\n") + "\r\n\r\n";
}
