import { basename } from "node:path";
import type { PolicyBundle } from "../../core/policy_runner.ts";
import type { ScriptPolicySettings } from "../../core/policy_settings.ts";
import type { Bundle } from "../sandbox/bundle.ts";
import { manifestText } from "./manifest.ts";

/** A policy in force as it is stored beside its decisions: as it was built, or as it would be now. */
export function storedBundle(
  bundle: Bundle,
  { path, net }: Pick<ScriptPolicySettings, "path" | "net">,
): PolicyBundle {
  const name = basename(path).replace(/\..*$/, "");
  const { code, built } = bundle;
  if (built) return { name, code, ...built };
  return { name, code, manifestJson: manifestText(bundle, { name, net }), signatureJson: null };
}
