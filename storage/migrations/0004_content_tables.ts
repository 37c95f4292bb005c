import { createIndex, createTable, migration } from "../migration.ts";
import { table, words } from "../table.ts";

/** Captured content of a call, as ciphertext. */
const requestContentCaptures = table({
  name: "request_content_captures",
  key: ["id"],
  columns: {
    text: words(
      "id request_id scope caller_id caller_project caller_environment token_id",
      "resolved_group target_provider target_model target_dialect inbound_dialect",
      "content_type content_text encryption_nonce encryption_key_id",
    ),
    bool: words("encrypted truncated redacted images_captured deletion_requested"),
    int: words("sequence redaction_count image_count source_status"),
    bigint: words("ts retention_until content_bytes"),
  },
});

/** Captured headers of a call. */
const requestContentHeaders = table({
  name: "request_content_headers",
  key: ["id"],
  columns: {
    text: words(
      "id capture_id request_id scope name value encryption_nonce encryption_key_id",
    ),
    bool: words("encrypted redacted"),
  },
});

/** Calls whose captures were deleted and must not come again. */
const requestContentTombstones = table({
  name: "request_content_tombstones",
  key: ["request_id"],
  columns: {
    text: ["request_id"],
    bigint: ["deleted_at"],
  },
});

/** Who read or deleted a capture. */
const requestContentAuditEvents = table({
  name: "request_content_audit_events",
  key: ["id"],
  columns: {
    text: words("id action request_id actor_subject actor_token_id scope reason"),
    int: ["rows_affected"],
    bigint: ["ts"],
  },
});

/** Captured content, always encrypted, and who looked at it. */
export const contentTables = migration({
  id: 4,
  name: "content_tables",
  backwardCompatible: true,
  safe: true,
  steps: [
    createTable(requestContentCaptures),
    createTable(requestContentHeaders),
    createTable(requestContentTombstones),
    createTable(requestContentAuditEvents),
    createIndex("request_content_captures", ["request_id"]),
    createIndex("request_content_captures", ["retention_until"]),
  ],
});
