import { createIndex, createTable, migration } from "../migration.ts";
import { table, words } from "../table.ts";

/** Allow-listed fields of a provider's error; never prose. */
const requestUpstreamErrorDetails = table({
  name: "request_upstream_error_details",
  key: ["request_id", "attempt_index", "seq"],
  columns: {
    text: words("request_id error_class field_name field_value source"),
    bool: ["truncated"],
    int: words("attempt_index seq"),
    "int?": ["status_code"],
    bigint: ["ts"],
  },
});

/** Steps of a call, in order. */
const requestTraceEvents = table({
  name: "request_trace_events",
  key: ["request_id", "seq"],
  columns: {
    text: words("request_id step event message provider model dialect error_class"),
    bool: ["retryable"],
    int: ["seq"],
    "int?": words("duration_ms status_code attempt"),
    bigint: ["ts"],
  },
});

/** What shaping decided about a caller. */
const requestTrafficShapeEvents = table({
  name: "request_traffic_shape_events",
  key: ["request_id", "seq"],
  columns: {
    text: words("request_id scope bucket decision"),
    int: words(
      "seq retry_after_ms queue_wait_ms estimated_input_tokens reserved_output_tokens",
      "total_reserved_tokens",
    ),
    bigint: words("ts cost"),
  },
});

/** What shaping decided about a provider, a model or a target. */
const requestUpstreamShapeEvents = table({
  name: "request_upstream_shape_events",
  key: ["request_id", "seq"],
  columns: {
    text: words(
      "request_id scope provider model_ref model dialect bucket decision backoff_reason",
    ),
    int: words(
      "seq retry_after_ms queue_wait_ms estimated_input_tokens reserved_output_tokens",
      "total_reserved_tokens",
    ),
    bigint: ["ts"],
  },
});

/** The form of a request: counts, buckets and flags. */
const requestShapes = table({
  name: "request_shapes",
  key: ["request_id"],
  columns: {
    text: words(
      "request_id inbound_dialect requested_model resolved_group client tool_choice_mode",
      "reasoning_effort_bucket reasoning_budget_bucket input_text_bytes_bucket",
      "tool_schema_bytes_bucket total_request_bytes_bucket estimated_input_tokens_bucket",
      "requested_output_cap_field requested_output_cap_bucket tool_schema_fingerprint",
      "request_shape_fingerprint",
    ),
    bool: words(
      "stream parallel_tool_calls_present response_format_present structured_output_present",
      "reasoning_present include_present truncation_present metadata_present store_present",
      "previous_response_id_present audio_present video_present cache_control_present",
    ),
    int: words(
      "input_item_count message_count system_message_count developer_message_count",
      "user_message_count assistant_message_count tool_result_count",
      "function_call_output_count tool_count image_count",
    ),
    bigint: ["ts"],
  },
});

/** The form of a request after a bridge, per attempt. */
const requestTranslationShapes = table({
  name: "request_translation_shapes",
  key: ["request_id", "attempt_index"],
  columns: {
    text: words(
      "request_id provider model dialect bridge_direction endpoint_path",
      "translated_tool_choice_mode translated_output_cap_field translated_output_cap_bucket",
      "translated_reasoning_control translated_request_bytes_bucket",
      "request_shape_fingerprint tool_schema_fingerprint",
    ),
    bool: words("translated_stream unsupported_fields_present"),
    int: words(
      "attempt_index translated_tool_count fields_stripped_count fields_rewritten_count",
      "translation_warning_count",
    ),
    bigint: ["ts"],
  },
});

/** What a bridge did to a field. */
const requestTranslationFieldEvents = table({
  name: "request_translation_field_events",
  key: ["request_id", "attempt_index", "seq"],
  columns: {
    text: words("request_id field_name action reason"),
    int: words("attempt_index seq"),
  },
});

/** The estimate of a request before it was sent. */
const requestTokenEstimates = table({
  name: "request_token_estimates",
  key: ["request_id"],
  columns: {
    text: words(
      "request_id inbound_dialect requested_model resolved_group estimate_method",
      "estimate_version estimate_confidence_bucket requested_output_cap_field",
    ),
    bool: ["router_default_output_cap_applied"],
    int: words(
      "estimated_input_tokens estimated_tool_schema_tokens estimated_image_tokens",
      "estimated_audio_tokens estimated_total_input_tokens requested_output_cap_tokens",
      "total_reserved_tokens estimate_warning_count",
    ),
    bigint: words("ts request_bytes translated_request_bytes"),
  },
});

/** What a call looked like on its way: shapes, translations, shaping, details of failures. */
export const diagnosticTables = migration({
  id: 2,
  name: "diagnostic_tables",
  backwardCompatible: true,
  safe: true,
  steps: [
    createTable(requestUpstreamErrorDetails),
    createTable(requestTraceEvents),
    createTable(requestTrafficShapeEvents),
    createTable(requestUpstreamShapeEvents),
    createTable(requestShapes),
    createTable(requestTranslationShapes),
    createTable(requestTranslationFieldEvents),
    createTable(requestTokenEstimates),
    createIndex("request_upstream_error_details", ["ts"]),
    createIndex("request_trace_events", ["ts"]),
    createIndex("request_traffic_shape_events", ["ts"]),
    createIndex("request_upstream_shape_events", ["ts"]),
    createIndex("request_shapes", ["ts"]),
    createIndex("request_translation_shapes", ["ts"]),
    createIndex("request_token_estimates", ["ts"]),
  ],
});
