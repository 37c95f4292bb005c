import { type BirpcReturn, createBirpc } from "birpc";
import { z } from "zod";
import { parseJson } from "../parse_json.ts";

/** The two ends of a pipe, as seen from one side. */
export interface Pipe {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;
}

/** Calls to the other side of a pipe. */
export interface Link<Remote extends object, Local extends object> {
  readonly remote: BirpcReturn<Remote, Local>;
  /** Ends when the other side has closed its end; what waits for an answer has failed by then. */
  readonly ended: Promise<void>;
}

/** Longest wait for an answer, ms. */
const ANSWER_MS = 60_000;

const encoder = new TextEncoder();

/** Lets both sides of a pipe call each other's functions: one JSON message a line. */
export function openLink<Remote extends object, Local extends object>(
  local: Local,
  { readable, writable }: Pipe,
): Link<Remote, Local> {
  const writer = writable.getWriter();
  let take: (message: unknown) => void = () => {};
  const remote = createBirpc<Remote, Local>(local, {
    // A pipe that broke is seen as the end of the other side.
    post: (message) => writer.write(encode(message)).catch(() => {}),
    on: (listener) => void (take = listener),
    timeout: ANSWER_MS,
  });
  const ended = read(readable, (line) => {
    const message = decode(line);
    if (message !== null) take(message);
  }).finally(() => remote.$close(new Error("the process at the other end is gone")));
  return { remote, ended };
}

async function read(
  readable: Pipe["readable"],
  line: (text: string) => void,
): Promise<void> {
  let rest = "";
  try {
    for await (const text of readable.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(line);
    }
  } catch {
    // A side that was killed ends in the middle of whatever it said.
  }
}

/** What JSON has no word for: large numbers, and errors. */
const bigint = z.strictObject({ $bigint: z.string() });
const failure = z.strictObject({ $error: z.string() });
const message = z.looseObject({ t: z.enum(["q", "s"]) });

function encode(value: unknown): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === "bigint") return { $bigint: String(part) };
    return part instanceof Error ? { $error: part.message } : part;
  });
  return encoder.encode(`${text}\n`);
}

/** `null` for a line that is no message: a library may have printed something. */
function decode(line: string): unknown {
  try {
    return message.parse(parseJson(line, (_, part: unknown) => {
      if (typeof part !== "object" || part === null) return part;
      if ("$bigint" in part) return BigInt(bigint.parse(part).$bigint);
      return "$error" in part ? new Error(failure.parse(part).$error) : part;
    }));
  } catch {
    return null;
  }
}
