import assert from "node:assert/strict";
import { childTables, tables } from "../storage/schema.ts";
import { columnsOf } from "../storage/table.ts";
import { entries } from "./recordings.ts";

/** Columns nobody writes, by what they wait for: its keys are "not available yet". */
const WAITING: Readonly<Record<string, readonly string[]>> = {
  "sign-in of administrators": ["auth_subject", "admin_subject", "admin_domain"],
  "licences": [
    "license_status",
    "license_reason",
    "license_id",
    "license_customer_id",
    "license_sku",
    "license_key_id",
    "license_grace_active",
    "license_expires_at",
  ],
  "peers": ["parent_request_id"],
  "the filter for personal data": [
    "pii_filter_mode",
    "pii_filter_applied",
    "pii_filter_replacements",
    "pii_filter_rule_count",
  ],
};

/** Columns at their default for good, and why. */
const EMPTY: Readonly<Record<string, string>> = {
  error_name: "a policy's error may say anything, so only its class is kept",
  estimate_warning_count: "the estimate by characters warns of nothing",
  model_group: "the body of a stranger is not read",
  routing_policy_fingerprint: "policy_digest names the policy, the fingerprints its settings",
  translation_warning_count: "request_translation_field_events has a row for each",
  user_agent_family: "client says it",
};

const CALL_TABLES = ["request_usage", ...childTables, "security_access_events"];
const WRITERS = ["core/", "core/limits/", "core/telemetry/", "storage/"];

function columns(): Set<string> {
  return new Set(
    CALL_TABLES.flatMap((name) => columnsOf(tables.get(name)!).map(({ name }) => name)),
  );
}

/** Names that stand in the sources as the member of a row. */
function writtenNames(): Set<string> {
  const root = new URL("../", import.meta.url);
  const texts = WRITERS.flatMap((folder) => {
    const here = new URL(folder, root);
    return entries(here).filter((file) => file.endsWith(".ts"))
      .map((file) => Deno.readTextFileSync(new URL(file, here)));
  });
  const found = texts.join("\n").matchAll(/(?:^|[\s{,.])([a-z][a-z0-9_]*)\b(?=\s*(?::|,|\}| = ))/g);
  return new Set([...found].map(([, name]) => name!));
}

Deno.test("every column of a call and of a refusal is written, or waits for a named feature", () => {
  const written = writtenNames();
  const known = [...Object.values(WAITING).flat(), ...Object.keys(EMPTY)];
  const unwritten = [...columns()].filter((name) => !written.has(name));
  assert.deepEqual(unwritten.toSorted(), known.toSorted());
});
