import { DIALECT_NAMES as EVERY_DIALECT, type DialectName } from "./dialect_name.ts";

/**
 * Features that a bridge cannot carry, and the target dialects they cannot be carried to. A target
 * reached over such a bridge is refused with reason `bridge-<feature>`; on its own dialect the caller's
 * bytes pass.
 */
const BRIDGE_FEATURES = {
  "audio": EVERY_DIALECT,
  "citations": EVERY_DIALECT,
  "context-management": EVERY_DIALECT,
  "file": EVERY_DIALECT,
  "forced-choice-with-reasoning": ["anthropic"],
  "hosted-tools": EVERY_DIALECT,
  "image-file": EVERY_DIALECT,
  "image-type": ["anthropic"],
  "inference-geo": EVERY_DIALECT,
  "json-object": ["anthropic"],
  "legacy-functions": EVERY_DIALECT,
  "logit-bias": EVERY_DIALECT,
  "logprobs": EVERY_DIALECT,
  "moderation": EVERY_DIALECT,
  "multiple-choices": EVERY_DIALECT,
  "null-tool-choice": EVERY_DIALECT,
  "other": EVERY_DIALECT,
  "penalties": ["anthropic", "openai-responses"],
  "prediction": EVERY_DIALECT,
  "prefill": EVERY_DIALECT,
  "previous-response-id": EVERY_DIALECT,
  "stop": ["openai-responses"],
  "stored-state": EVERY_DIALECT,
  "truncation": EVERY_DIALECT,
  "typed-tools": EVERY_DIALECT,
  "video": EVERY_DIALECT,
} as const satisfies Record<string, readonly DialectName[]>;

/** A feature that a bridge cannot carry. */
export type BridgeFeature = keyof typeof BRIDGE_FEATURES;

/** The features of a request that a bridge to a dialect cannot carry, as reasons of a refusal. */
export function bridgeReasons(
  barriers: readonly BridgeFeature[],
  dialect: DialectName,
): readonly string[] {
  return barriers
    .filter((feature) => BRIDGE_FEATURES[feature].some((name) => name === dialect))
    .map((feature) => `bridge-${feature}`);
}
