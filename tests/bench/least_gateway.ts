import { hash } from "node:crypto";
import { createChunkReader } from "@/core/chunk_reader.ts";
import { TOKEN } from "./processes.ts";

/**
 * The second yardstick: the least that a gateway does with a call, and nothing else. It tells who calls,
 * puts the credential in, gives up when its caller does, reads what the reply used, and writes a line
 * before the last byte goes out.
 */
const [upstream = "", file = "/dev/null"] = Deno.args;

const callers = new Map([[hash("sha256", TOKEN, "hex"), "bench"]]);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** As many columns as a call fills. */
const COLUMNS = Object.fromEntries(
  Array.from({ length: 60 }, (_, at) => [`some_column_${at}`, at % 3 === 0 ? `value ${at}` : at]),
);

function serve(journal: Deno.FsFile): void {
  function record(caller: string, started: number, reply: string): void {
    const usage = /"usage":(\{[^}]*\})/.exec(reply)?.[1] ?? "null";
    const call = { id: crypto.randomUUID(), caller, ms: performance.now() - started };
    const row = { ...call, usage: JSON.parse(usage), ...COLUMNS };
    journal.writeSync(encoder.encode(`${JSON.stringify(row)}\n`));
  }

  /** Hands each chunk on, read as cheaply as the gateway does; the end waits for the line. */
  function passed(body: ReadableStream<Uint8Array<ArrayBuffer>>, end: (last: string) => void) {
    const chunks = createChunkReader(body);
    let last = "";
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        const chunk = await chunks.read();
        if (!chunk.done) {
          last = decoder.decode(chunk.value);
          return controller.enqueue(chunk.value);
        }
        end(last);
        controller.close();
      },
      cancel: () => chunks.cancel(),
    });
  }

  Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`),
  }, async (request) => {
    const started = performance.now();
    const token = request.headers.get("authorization")?.slice("Bearer ".length) ?? "";
    const caller = callers.get(hash("sha256", token, "hex"));
    if (caller === undefined) return new Response(null, { status: 401 });
    const body = await request.bytes();
    const { stream } = JSON.parse(decoder.decode(body));
    const cut = new AbortController();
    request.signal.addEventListener("abort", () => cut.abort(), { once: true });
    const answer = await fetch(upstream + new URL(request.url).pathname, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer no-secret" },
      signal: cut.signal,
      body,
    });
    const headers = {
      "content-type": answer.headers.get("content-type") ?? "",
      "x-request-id": "req_bench",
    };
    const { status } = answer;
    if (stream && answer.body) {
      const end = (last: string) => record(caller, started, last);
      return new Response(passed(answer.body, end), { status, headers });
    }
    const reply = await answer.bytes();
    record(caller, started, decoder.decode(reply));
    return new Response(reply, { status, headers });
  });
}

if (import.meta.main) serve(await Deno.open(file, { write: true, create: true, append: true }));
