/** The tables as they are specified: `table [key]: type columns; ...`, braces expand as in a shell. */
export const SPECIFIED = `
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
request_upstream_error_details [request_id, attempt_index, seq]: text error_class field_{name,value} source;
  bool truncated; int attempt_index seq; int? status_code; bigint ts
request_trace_events [request_id, seq]: text step event message provider model dialect error_class; bool
  retryable; int seq; int? duration_ms status_code attempt; bigint ts
request_traffic_shape_events [request_id, seq]: text scope bucket decision; int seq retry_after_ms
  queue_wait_ms {estimated_input,reserved_output,total_reserved}_tokens; bigint ts cost
request_upstream_shape_events [request_id, seq]: text scope provider model_ref model dialect bucket decision
  backoff_reason; int seq retry_after_ms queue_wait_ms
  {estimated_input,reserved_output,total_reserved}_tokens; bigint ts
request_shapes [request_id]: text inbound_dialect requested_model resolved_group client tool_choice_mode
  reasoning_{effort,budget}_bucket {input_text,tool_schema,total_request}_bytes_bucket
  estimated_input_tokens_bucket requested_output_cap_{field,bucket} {tool_schema,request_shape}_fingerprint;
  bool stream
  {parallel_tool_calls,response_format,structured_output,reasoning,include,truncation,metadata}_present
  {store,previous_response_id,audio,video,cache_control}_present; int
  {input_item,message,system_message,developer_message,user_message,assistant_message}_count
  {tool_result,function_call_output,tool,image}_count; bigint ts
request_translation_shapes [request_id, attempt_index]: text provider model dialect bridge_direction
  endpoint_path
  translated_{tool_choice_mode,output_cap_field,output_cap_bucket,reasoning_control,request_bytes_bucket}
  {request_shape,tool_schema}_fingerprint; bool translated_stream unsupported_fields_present; int
  attempt_index translated_tool_count fields_{stripped,rewritten}_count translation_warning_count; bigint ts
request_translation_field_events [request_id, attempt_index, seq]: text field_name action reason; int
  attempt_index seq
request_token_estimates [request_id]: text inbound_dialect requested_model resolved_group
  estimate_{method,version,confidence_bucket} requested_output_cap_field; bool
  router_default_output_cap_applied; int estimated_{input,tool_schema,image,audio,total_input}_tokens
  requested_output_cap_tokens total_reserved_tokens estimate_warning_count; bigint ts
  {request,translated_request}_bytes
request_routing_decisions [request_id]: text group_name strategy arm outcome config_fingerprint pin_state;
  text? policy_kind policy_digest provider model dialect class_label budget_rule plan_sha256; int
  eligible_count rejected_count fallback_count explored cold_start over_threshold panic deferred_count
  decide_us recorded; int? selected_candidate_index group_target_index pressure_micro; bigint ts seed
request_target_candidates [request_id, group_target_index]: text target_id provider model dialect breaker;
  text? model_ref validation_status; int candidate_index group_target_index weight tool_only limit_unknown
  inflight observations eligible selected; int? context_tokens context_headroom_tokens validation_age_days
  p95_latency_ms error_rate_micro final_rank; bigint? expected_cost_nusd
request_dynamic_score_terms [request_id, seq]: text term_name score_name; int seq candidate_index rank
  coefficient_micro value_micro contribution_micro raw_micro final_micro n selected
request_routing_signals [request_id, seq]: text pass signal_name; text? text_value; int seq; int?
  candidate_index; bigint? int_value
request_decision_shape_features [request_id, seq]: text feature_name; text? text_value; int seq; bigint?
  int_value
request_cache_reasons [request_id, seq]: text status reason; int seq
request_target_filter_reasons [request_id, seq]: text target_id stage reason; int seq group_target_index
request_policy_executions [request_id, seq]: text role policy_kind outcome; text? policy_digest error_class
  error_name class_label terminal_error; int seq duration_us queue_us; int? host_id response_bytes
  selected_candidate_index fallback_count
request_shadow_results [request_id]: text policy_digest; int same_first same_order; int?
  shadow_candidate_index; bigint? shadow_cost_nusd served_cost_nusd
request_fallback_transitions [request_id, seq]: text failed_target_id fallback_target_id fallback_reason
  error_class; int seq attempt_index retryable hedged fallback_succeeded
request_decision_records [request_id]: text group_name config_fingerprint engine context_z context_sha256
  plan_json; text? policy_digest content_sha256; int contract_version context_bytes; bigint ts seed
route_config_snapshots [config_fingerprint, group_name]: text config_fingerprint group_name static_z; bigint
  first_seen_at
policy_bundles [policy_digest]: text policy_digest name manifest_json bundle_z; text? signature_json; bigint
  first_seen_at
security_access_events [id]: text id request_id event_type surface http_method path_template outcome
  reason_code auth_{subject,source} caller_{id,user,project,environment} token_id admin_{subject,domain}
  client user_agent_family ip_source model_group; text? ip_address; bool trusted_proxy_applied
  request_is_{private,loopback,reserved}; int status_code ip_version; int? {input,output,total}_tokens; bigint
  ts
request_content_captures [id]: text id request_id scope caller_{id,project,environment} token_id
  resolved_group target_{provider,model,dialect} inbound_dialect content_{type,text}
  encryption_{nonce,key_id}; bool encrypted truncated redacted images_captured deletion_requested; int
  sequence redaction_count image_count source_status; bigint ts retention_until content_bytes
request_content_headers [id]: text id capture_id request_id scope name value encryption_{nonce,key_id}; bool
  encrypted redacted
request_content_tombstones [request_id]: text request_id; bigint deleted_at
request_content_audit_events [id]: text id action request_id actor_{subject,token_id} scope reason; int
  rows_affected; bigint ts
usage_journal_offsets [journal_id]: text journal_id kind gateway_id replica; int writer; bigint segment
  byte_offset lines rejected last_ts updated_at
usage_rollup_runs [id]: text id rollup_type status source_checksum router_version safe_error; text?
  adjusts_run_id; bigint window_{start,end} {source_request,rollup_row,decision_bucket_row}_count started_at;
  bigint? source_{min,max}_ts {completed,generated,finalized}_at
usage_rollup_{hourly,daily,monthly_billing} [run_id, row_no]: text run_id caller_{id,user,project,environment}
  token_id client inbound_dialect requested_model resolved_group strategy policy_digest
  target_{provider,model,dialect} status_class cache contract_bucket target_validation_status; bool stream
  input_has_image pii_filter_applied; int row_no; bigint bucket_{start,end}
  {source_request,success,error,partial,fallback,attempt,unpriced,estimated}_count
  cache_{hit,miss,bypass}_count {input,cached_input,cache_write,output,reasoning,total,image}_tokens
  input_image_count {input,cached_input,cache_write,output,image,other_attempts,total}_cost_nusd saved_nusd
  upstream_reported_total_cost_nusd latency_ms_{sum,max} overhead_us_sum ttft_ms_{sum,count,max}
  {upstream,downstream}_ms_{sum,count}
usage_rollup_histograms [run_id, row_no]: text run_id resolved_group target_{provider,model} metric; int
  row_no le_ms; bigint bucket_start count
usage_rollup_decision_buckets [run_id, row_no]: text run_id resolved_group strategy bucket_{kind,name}
  secondary_bucket; int row_no; bigint bucket_start {source_request,error}_count total_tokens; bigint?
  total_cost_nusd
usage_rollup_audit_events [id]: text id run_id action actor_subject note; bigint ts
retention_policy_versions [id]: text id config_hash source; bool active dry_run; int default_batch_size;
  bigint created_at; bigint? {activated,deactivated}_at
retention_policy_rules [policy_version_id, rule_order]: text policy_version_id data_class; bool enabled
  require_finalized_rollup; int rule_order retention_days batch_size
retention_jobs [id]: text id policy_version_id mode status requested_by error_message; bool dry_run; bigint
  started_at; bigint? completed_at
retention_job_table_results [job_id, table_name]: text job_id table_name data_class status message; int
  retention_days batch_size; bigint cutoff_ts {candidate,held,eligible,blocked,deleted}_rows
legal_holds [hold_id]: text hold_id data_class request_id caller_{project,environment} reason_code subject
  created_by released_by release_reason notes; bool active; bigint created_at; bigint? {start,end}_ts
  released_at
legal_hold_audit_events [id]: text id hold_id event_type actor reason_code message; bool
  {previous,new}_active; bigint ts
authz_policy_sets [id]: text id name status digest created_by; int version; bigint created_at; bigint?
  {activated,retired}_at
authz_policy_rules [policy_set_id, seq]: text policy_set_id subject domain object action effect; int seq
authz_role_links [policy_set_id, seq]: text policy_set_id subject role domain; int seq
authz_policy_audit_events [id]: text id policy_set_id action actor_subject request_id note; bigint ts
eval_runs [run_id]: text run_id name harness harness_version source_sha256; int success_threshold_micro
  {outcome,unmatched}_count; bigint created_at; bigint? imported_at
eval_outcomes [run_id, outcome_id]: text run_id outcome_id task_id arm verifier; text? conversation_key; bool
  success; int trial reward_micro; bigint? scored_at
eval_outcome_requests [run_id, outcome_id, request_id]: text run_id outcome_id request_id
eval_outcome_labels [run_id, outcome_id, name]: text run_id outcome_id name value
eval_gates [digest]: text digest name run_name registered_by; bigint registered_at
eval_gate_rules [digest, name]: text digest name value_text; bigint? value_micro
schema_migrations [id]: text name checksum state router_version backup_ref error; bool backward_compatible;
  int id; bigint started_at; bigint? finished_at
schema_data_jobs [id]: text id state cursor error; int migration_id; bigint rows_done updated_at; bigint?
  rows_total
`;
