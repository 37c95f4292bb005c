import type { Attempt, Call } from "./call.ts";
import type { Fingerprints } from "./fingerprints.ts";
import type { Row } from "./record.ts";
import { capBucket, sizeBucket } from "./request_shape.ts";
import type { FieldEvent } from "./wire.ts";

/** Rows of `request_translation_shapes`: what each bridge made of the request, never its content. */
export function translationShapes(call: Call, fingerprints: Fingerprints): readonly Row[] {
  return call.attempts.flatMap((attempt) => {
    if (!attempt.bridge) return [];
    const { target, index, ts, bridge: { asked } } = attempt;
    const shape = shapeOf(call, attempt);
    return [{
      attempt_index: index,
      ts,
      provider: target.provider.name,
      model: target.model,
      ...shape,
      request_shape_fingerprint: fingerprints.of(JSON.stringify(shape)),
      tool_schema_fingerprint: asked.tools.length > 0
        ? fingerprints.of(JSON.stringify(asked.tools))
        : undefined,
    }];
  });
}

function shapeOf(call: Call, { target, bridge, requestBytes, events }: Attempt): Row {
  const asked = bridge?.asked;
  const count = (actions: readonly FieldEvent["action"][]) =>
    events.filter(({ action }) => actions.includes(action)).length;
  const cap = bridge?.outputCap;
  return {
    dialect: target.dialect,
    bridge_direction: bridge?.direction,
    endpoint_path: call.dialect.paths[0],
    translated_tool_choice_mode: asked?.toolChoice?.mode ?? "omitted",
    translated_output_cap_field: cap?.field,
    translated_output_cap_bucket: cap ? capBucket(cap.tokens) : "omitted",
    translated_reasoning_control: asked?.reasoning?.mode ?? "none",
    translated_request_bytes_bucket: sizeBucket(requestBytes),
    translated_stream: asked?.stream ? 1 : undefined,
    unsupported_fields_present: count(["stripped"]) > 0 ? 1 : undefined,
    translated_tool_count: asked?.tools.length,
    fields_stripped_count: count(["stripped"]),
    fields_rewritten_count: count(["rewritten", "clamped"]),
  };
}

/** Rows of `request_translation_field_events`: one for each field that did not simply cross. */
export function fieldEvents(call: Call): readonly Row[] {
  return call.attempts.flatMap(({ index, events }) =>
    events.map(({ field, action, reason }, seq) => ({
      attempt_index: index,
      seq,
      field_name: field,
      action,
      reason,
    }))
  );
}
