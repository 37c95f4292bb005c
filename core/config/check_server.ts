import type { Json } from "../json.ts";
import type { Finding } from "./diagnose.ts";
import type { CheckFacts } from "./parts.ts";
import { isLoopback, parseListen } from "./listen.ts";
import { suggest } from "./suggest.ts";
import { entriesOf, itemsOf, member, textOf } from "./view.ts";

/** SHA-256 of the token that the documentation shows. */
const DEMO_TOKEN = "074a3c309e657690bd44f0c204410435812df98b08090025b42e503629f66dbb";

/** The default group, the tolerances, and who may see the demo token's door. */
export function* checkServer(root: Json, facts: CheckFacts): Iterable<Finding> {
  const server = member(root, "server");
  const group = textOf(member(server, "default_model_group"));
  const groups = entriesOf(member(root, "models")).map(([name]) => name);
  if (group !== null && !groups.includes(group)) {
    yield {
      code: "unknown-reference",
      path: ["server", "default_model_group"],
      at: "value",
      message: `no group is named "${group}"`,
      suggestion: suggest(group, groups),
    };
  }
  if (textOf(member(server, "usage_db", "driver")) === "postgres") yield* needsDsn(server);
  yield* cacheKey(member(server, "cache"), facts);
  yield* demoToken(root, facts.listen);
}

function* needsDsn(server: Json | undefined): Iterable<Finding> {
  if (member(server, "usage_db", "dsn") !== undefined) return;
  const message = 'missing key "dsn"; driver "postgres" needs the URL of its database';
  yield { code: "missing-key", path: ["server", "usage_db"], at: "key", message };
}

/** The second level of the cache needs its key. */
function* cacheKey(cache: Json | undefined, { lookup }: CheckFacts): Iterable<Finding> {
  const second = member(cache, "second_level");
  if (member(cache, "enabled") !== true || member(second, "enabled") !== true) return;
  const name = textOf(member(second, "key_env")) ?? "POINTSMAN_CACHE_KEY";
  if (lookup(name)) return;
  const path = ["server", "cache", "second_level"];
  const message = `variable "${name}" is not set; it holds the key of the second level`;
  yield { code: "unset-variable", path, at: "value", message };
}

function* demoToken(root: Json, override: string | undefined): Iterable<Finding> {
  const written = textOf(member(root, "server", "listen"));
  const listen = parseListen(override ?? written ?? "127.0.0.1:8080");
  if (!listen || isLoopback(listen)) return;
  for (const [index, caller] of itemsOf(member(root, "callers"))) {
    if (textOf(caller["token_sha256"])?.toLowerCase() !== DEMO_TOKEN) continue;
    yield {
      code: "conflict",
      path: ["callers", index, "token_sha256"],
      at: "value",
      message: "the demo token is public and server.listen is not loopback; generate another",
    };
  }
}
