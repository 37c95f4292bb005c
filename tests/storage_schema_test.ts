import assert from "node:assert/strict";
import { migrate } from "../storage/migrate.ts";
import { migrations } from "../storage/migrations/mod.ts";
import { childTables, eventTables, tables } from "../storage/schema.ts";
import { openSqlite } from "../storage/sqlite.ts";
import { makePlace } from "./storage_fixture.ts";

/** The tables as they are specified: `table [key]: type columns; ...`, braces expand as in a shell. */
const SPECIFIED = `
request_usage [request_id]:
  text    request_id caller_{id,user,project,environment} token_id client endpoint inbound_dialect
          requested_model resolved_group strategy target_{provider,ref,model,dialect,region} cache error
          error_{class,origin} usage_source pii_filter_mode contract_{bucket,failure_reason,workload}
          target_validation_{status,workload,age_bucket} pricing_{source,updated_at} quota_state key_state
          traffic_shape_{decision,scope,bucket} license_{status,reason,id,customer_id,sku,key_id}
          router_{version,build_date}
          {routing_config,model_group_config,routing_policy,pricing_catalog}_fingerprint
  text?   gateway_id replica client_request_id parent_request_id trace_id conversation_key caller_ip
          policy_{digest,arm} class_label pin_state served_model bridge finish_reason
  bool    stream fallback_used partial truncated input_has_image pii_filter_applied contract_present
          cache_enabled traffic_shape_applied license_grace_active
  int     status attempts latency_ms overhead_us queue_wait_ms policy_us
          {input,cached_input,cache_write,output,total}_tokens input_image_count tool_call_count
          charged_{requests,tokens} reasoning_{,successful_,reported_}attempt_count
          pii_filter_{replacements,rule_count}
          traffic_shape_{retry_after_ms,estimated_input_tokens,reserved_output_tokens,total_reserved_tokens}
  int?    target_index ttfb_ms ttft_ms upstream_ttfb_ms {upstream,downstream}_duration_ms
          {reasoning,image}_tokens
  bigint  ts {settled,ingested}_at charged_nusd cache_{items,bytes,max_bytes}
  bigint? {input,cached_input,cache_write,output}_price_per_million_nusd
          image_input_price_per_{million_tokens,image}_nusd
          {input,cached_input,cache_write,output,image,other_attempts,total}_cost_nusd saved_nusd
          upstream_reported_{input,output,total}_cost_nusd license_expires_at
request_attempts [request_id, attempt_index]: text provider model_ref model dialect endpoint_host
  provider_key_id outcome error_{class,message} fallback_reason; text? upstream_request_id; bool retryable
  timed_out client_canceled selected; int attempt_index duration_ms attempt_timeout_ms; int? ttfb_ms
  status_code retry_after_ms {input,output,reasoning}_tokens; bigint ts {request,response}_bytes; bigint?
  cost_nusd
request_errors [request_id]: text error_{type,class,message,origin} provider model dialect; bool retryable;
  int status attempts; bigint ts
security_access_events [id]: text id request_id event_type surface http_method path_template outcome
  reason_code auth_{subject,source} caller_{id,user,project,environment} token_id admin_{subject,domain}
  client user_agent_family ip_source model_group; text? ip_address; bool trusted_proxy_applied
  request_is_{private,loopback,reserved}; int status_code ip_version; int? {input,output,total}_tokens; bigint
  ts
usage_journal_offsets [journal_id]: text journal_id kind gateway_id replica; int writer; bigint segment
  byte_offset lines rejected last_ts updated_at
schema_migrations [id]: text name checksum state router_version backup_ref error; bool backward_compatible;
  int id; bigint started_at; bigint? finished_at
`;

/** Every child of a call has this one, too. */
const CHILD_KEY = "request_id";

const INDEXES: Readonly<Record<string, string>> = {
  request_usage: "ts; caller_id, ts",
  request_attempts: "ts",
  request_errors: "ts",
  security_access_events: "ts",
};

interface Specified {
  readonly key: readonly string[];
  /** SQLite's words for a column, by its name. */
  readonly columns: ReadonlyMap<string, string>;
}

function specified(): Map<string, Specified> {
  const entries = SPECIFIED.trim().split(/\n(?=\S)/).map((text) => {
    const [, name, key, rest] = /^(\w+) \[(.*?)\]:\s*([^]*)$/.exec(text)!;
    const columns = new Map<string, string>();
    let kind = "";
    for (const word of rest!.replaceAll(";", " ").split(/\s+/)) {
      if (/^(text|int|bigint|bool)\??$/.test(word)) kind = word;
      else for (const column of expand(word)) columns.set(column, sqliteType(kind));
    }
    if (childTables.includes(name!)) columns.set(CHILD_KEY, sqliteType("text"));
    return [name!, { key: key!.split(", "), columns }] as const;
  });
  return new Map(entries);
}

function expand(word: string): string[] {
  const match = /^(.*?)\{(.*?)\}(.*)$/.exec(word);
  if (!match) return [word];
  const [, before, choices, after] = match;
  return choices!.split(",").flatMap((choice) => expand(`${before}${choice}${after}`));
}

function sqliteType(kind: string): string {
  const type = kind.startsWith("text") ? "TEXT" : "INTEGER";
  if (kind.endsWith("?")) return type;
  return `${type} NOT NULL DEFAULT ${type === "TEXT" ? "''" : "0"}`;
}

Deno.test("database has the tables, keys, columns and types that are specified", async () => {
  using place = makePlace();
  using db = openSqlite(place.usageDb.path);
  await migrate(db, { migrations, routerVersion: "test", now: Date.now });
  const expected = specified();
  const found = db.prepare("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").all()
    .filter(({ name }) => !String(name).startsWith("sqlite_"));
  assert.deepEqual(found.map(({ name }) => name).toSorted(), [...expected.keys()].toSorted());
  assert.deepEqual([...tables.keys()].toSorted(), [...expected.keys()].toSorted());
  for (const { name, strict } of found) {
    assert.equal(strict, 1, `${name} is strict`);
    const rows = db.prepare(
      `SELECT name, type, "notnull" AS required, dflt_value, pk FROM pragma_table_info(?)`,
    ).all(name!);
    const columns = rows.map((row) => {
      const rest = row.required ? ` NOT NULL DEFAULT ${row.dflt_value}` : "";
      return [String(row.name), `${row.type}${rest}`] as const;
    });
    const { key, columns: wanted } = expected.get(String(name))!;
    assert.deepEqual(Object.fromEntries(columns), Object.fromEntries(wanted), String(name));
    const keys = rows.filter(({ pk }) => pk).toSorted((a, b) => Number(a.pk) - Number(b.pk));
    assert.deepEqual(keys.map(({ name }) => name), key, `key of ${name}`);
  }
});

Deno.test("database has the indexes that its queries use, and no more", async () => {
  using place = makePlace();
  using db = openSqlite(place.usageDb.path);
  await migrate(db, { migrations, routerVersion: "test", now: Date.now });
  const found = db.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%'",
  ).all().map(({ name }) => String(name));
  const wanted = Object.entries(INDEXES).flatMap(([table, lists]) =>
    lists.split("; ").map((list) => `idx_${table}_${list.replaceAll(", ", "_")}`)
  );
  assert.deepEqual(found.toSorted(), wanted.toSorted());
});

Deno.test("every table a line may name exists", () => {
  for (const name of [...childTables, ...eventTables]) assert(tables.has(name), name);
});

Deno.test("database is for its owner only, and in WAL mode", () => {
  using place = makePlace();
  using db = openSqlite(place.usageDb.path);
  assert.equal(Deno.statSync(place.usageDb.path).mode! & 0o777, 0o600);
  assert.equal(db.prepare("PRAGMA journal_mode").get()?.journal_mode, "wal");
  assert.equal(db.prepare("PRAGMA synchronous").get()?.synchronous, 1);
});
