import { isLoopbackAddress, readAddress } from "../address.ts";
import { isObject, type Json } from "../json.ts";
import { checkHeaders } from "./check_headers.ts";
import type { Finding } from "./diagnose.ts";
import type { ConfigPath } from "./problem.ts";
import { member, textOf } from "./view.ts";

/** Headers of a request to a policy that are the gateway's. */
const OWN_HEADERS = [
  "accept",
  "accept-encoding",
  "content-type",
  "x-request-id",
  "x-router-contract",
];

/** A policy that another server holds: hosts it may name, and plain HTTP only where it may be. */
export function* checkExternalPolicy(
  policy: Json | undefined,
  path: ConfigPath,
): Iterable<Finding> {
  if (!isObject(policy)) return;
  const hosts = member(policy, "allow_hosts");
  const allowed = Array.isArray(hosts)
    ? new Set(hosts.map((host) => textOf(host)?.toLowerCase()))
    : null;
  const allowHttp = member(policy, "allow_http") === true;
  for (
    const [holder, at] of [[policy, path], [member(policy, "feedback"), [
      ...path,
      "feedback",
    ]]] as const
  ) {
    const text = textOf(member(holder, "url"));
    const url = text !== null && URL.canParse(text) ? new URL(text) : null;
    if (!url) continue;
    const place = { path: [...at, "url"], at: "value" } as const;
    if (allowed && !allowed.has(url.hostname)) {
      const message = `host "${url.hostname}" is not in "allow_hosts"`;
      yield { code: "conflict", ...place, message };
    }
    if (url.protocol === "http:" && !allowHttp && !isLocal(url.hostname)) {
      const message = 'plain HTTP would leave this machine; use https, or set "allow_http"';
      yield { code: "unusable", ...place, message };
    }
  }
  yield* checkHeaders(member(policy, "headers"), [...path, "headers"], OWN_HEADERS);
}

/** Whether a host is this machine by its name alone. */
function isLocal(host: string): boolean {
  const address = readAddress(host);
  return address ? isLoopbackAddress(address) : host === "localhost";
}
