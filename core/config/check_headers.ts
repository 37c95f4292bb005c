import type { Json } from "../json.ts";
import type { Finding } from "./diagnose.ts";
import type { ConfigPath } from "./problem.ts";
import { entriesOf } from "./view.ts";

const REFUSED: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Static headers that the gateway itself sets, with `own` beside those of every request. */
export function* checkHeaders(
  headers: Json | undefined,
  path: ConfigPath,
  own: readonly string[] = [],
): Iterable<Finding> {
  for (const [header] of entriesOf(headers)) {
    const name = header.toLowerCase();
    if (!REFUSED.has(name) && !own.includes(name)) continue;
    const message = "this header is set by the gateway and cannot be configured";
    yield { code: "unusable", path: [...path, header], at: "key", message };
  }
}
