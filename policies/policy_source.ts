import type { PolicyHostSettings } from "../core/policy_runner.ts";
import type { ScriptPolicySettings } from "../core/policy_settings.ts";
import type { BundleResult } from "./sandbox/bundle.ts";
import type { Bundler } from "./sandbox/bundler.ts";
import { isManifest, readBuilt } from "./signing/built_policy.ts";

/** What decides whether its policy may be used. */
export type SourceSettings =
  & Pick<ScriptPolicySettings, "path" | "root" | "net" | "timeoutMs">
  & Pick<PolicyHostSettings, "isolation" | "trust">;

/** Longest running time of a policy in a thread of the gateway, ms. */
const MAX_THREAD_MS = 100;

/** The bundle of a policy: made of its source, or read as it was built. */
export async function readPolicy(
  settings: SourceSettings,
  bundler: Bundler,
): Promise<BundleResult> {
  const { path, root, trust, isolation, timeoutMs } = settings;
  if (isolation === "worker" && timeoutMs > MAX_THREAD_MS) {
    return refused(
      path,
      `isolation "worker" takes a script_timeout_ms of ${MAX_THREAD_MS} at most`,
    );
  }
  if (isManifest(path)) return readBuilt(path, settings);
  if (trust.required) return refused(path, SIGN_IT);
  return await bundler.bundle(path, root);
}

const SIGN_IT =
  'a signature is required, and sources have none: "policy build" and "policy sign" it, and name the manifest';

function refused(file: string, message: string): BundleResult {
  return { ok: false, flaws: [{ file, line: 0, column: 0, message, kind: "refused" }] };
}
