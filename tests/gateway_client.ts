import type { DialectName } from "@/core/dialect_name.ts";
import { type Families, parseExposition } from "./exposition.ts";
import { CALL_PATH, type Loose, TOKEN } from "./gateway.ts";
import { sampleRequest } from "./upstream.ts";

/** A call of a test; what is not said is an ordinary call to `fast`. */
export interface CallOptions {
  readonly stream?: boolean;
  /** More members of the body. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** The body itself. */
  readonly raw?: BodyInit;
  /** More headers; an empty value removes one. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly signal?: AbortSignal;
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly text: string;
  /** The id by which the gateway knows the call. */
  readonly id: string;
  json(): Loose;
}

/** Sends a call; the answer is not read yet. */
export function send(url: string, dialect: DialectName, options: CallOptions = {}) {
  const { stream = false, body, raw, path = CALL_PATH[dialect], signal } = options;
  const sample = { ...sampleRequest(dialect, { model: "fast", stream }), ...body };
  return fetch(`${url}${path}`, {
    method: "POST",
    headers: headersOf(dialect, options.headers),
    body: raw ?? JSON.stringify(sample),
    redirect: "manual",
    ...(signal ? { signal } : {}),
  });
}

/** What `/metrics` says to a caller that may read it. */
export async function metricsOf(url: string, token: string): Promise<Families> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  if (response.status !== 200) throw new Error(`Cannot read metrics: HTTP ${response.status}`);
  return parseExposition(await response.text());
}

/** Makes a call and reads its answer. */
export async function call(
  url: string,
  dialect: DialectName,
  options: CallOptions = {},
): Promise<Answer> {
  return await readAnswer(await send(url, dialect, options));
}

/** Reads an answer to its end. */
export async function readAnswer(response: Response): Promise<Answer> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = new TextDecoder().decode(bytes);
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text,
    id: response.headers.get("x-request-id") ?? "",
    json: () => JSON.parse(text),
  };
}

function headersOf(dialect: DialectName, more: Readonly<Record<string, string>> = {}): Headers {
  const credential: Record<string, string> = dialect === "anthropic"
    ? { "x-api-key": TOKEN, "anthropic-version": "2023-06-01" }
    : { "authorization": `Bearer ${TOKEN}` };
  const headers = new Headers({ "content-type": "application/json", ...credential });
  for (const [name, value] of Object.entries(more)) {
    if (value === "") headers.delete(name);
    else headers.set(name, value);
  }
  return headers;
}
