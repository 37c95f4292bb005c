import { json } from "./answer.ts";
import type { Endpoint } from "./endpoints.ts";
import type { JsonObject } from "./json.ts";
import type { Parts } from "./call.ts";

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly code: string;
  readonly required: boolean;
}

const NO_STORE = { "cache-control": "no-store" };

/** `/healthz`: the process answers. */
export function healthz(startedAt: number): Endpoint {
  return (parts) =>
    json({ status: "ok", ...built(parts), uptime_ms: Math.round(parts.clock() - startedAt) }, {
      headers: NO_STORE,
    });
}

/** `/readyz`: the process may be sent calls. Fixed codes only: never ids, paths or error text. */
export const readyz: Endpoint = (parts) => {
  const ready = isReady(parts);
  return json({
    status: ready ? "ready" : "not-ready",
    ...(ready ? {} : { error: "not-ready" }),
    version: parts.build.version,
    checks: checksOf(parts).map((check): JsonObject => ({ ...check })),
  }, { status: ready ? 200 : 503, headers: NO_STORE });
};

/** Whether calls may be sent here: every required check is fine. */
export function isReady(parts: Parts): boolean {
  return checksOf(parts).every(({ ok, required }) => ok || !required);
}

function checksOf({ journal, ledgerStore, store, policies, drain }: Parts): readonly Check[] {
  const check = (name: string, code: string, required: boolean): Check => ({
    name,
    ok: code === "ok",
    code,
    required,
  });
  return [
    check("config", "ok", true),
    check("journal", journal.state, true),
    check("drain", drain.draining ? "draining" : "ok", true),
    check("ledger", ledgerStore.state, ledgerStore.refuses),
    check("usage_schema", store?.schema ?? "ok", true),
    check("policies", policies.state, false),
    check("usage_db", store && !store.up ? "down" : "ok", false),
  ];
}

/** `/version`: what runs. */
export const version: Endpoint = (parts) =>
  json({
    name: "pointsman",
    ...built(parts),
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    typescript: Deno.version.typescript,
    os: Deno.build.os,
    arch: Deno.build.arch,
    schema_version: parts.store?.migrations.version ?? 0,
  }, { headers: NO_STORE });

function built({ build }: Parts): JsonObject {
  return { version: build.version, commit: build.commit, built_at: build.builtAt };
}
