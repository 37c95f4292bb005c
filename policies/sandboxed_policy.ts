import { createDeadlines } from "../core/deadlines.ts";
import type { ScriptPolicySettings } from "../core/policy_settings.ts";
import type { RouteContext } from "../core/strategy.ts";
import type { Bundle, BundleFlaw } from "./sandbox/bundle.ts";
import { readPolicy, type SourceSettings } from "./policy_source.ts";
import { createBundler } from "./sandbox/bundler.ts";
import { type HostAnswer, PolicyHost } from "./sandbox/policy_host.ts";
import { openProcess } from "./sandbox/process_link.ts";
import { refusalOf } from "./sandbox/refusal.ts";
import { flawOf } from "./sandbox/source_position.ts";

/** A policy in a sandbox of its own, for the commands of authors. */
export interface SandboxedPolicy extends AsyncDisposable {
  readonly bundle: Bundle;
  decide(context: RouteContext): Promise<HostAnswer>;
  /** Where and why a decision failed. */
  explain(answer: HostAnswer & { kind: "fault" }): BundleFlaw;
}

/** Why a policy does not come to decide: it has no bundle, or its top level fails. */
export interface Refusal {
  readonly step: "bundle" | "load";
  readonly flaws: readonly BundleFlaw[];
}

/** The policy of a group, as far as it matters where nothing is served. */
export type TriedPolicy = SourceSettings & Pick<ScriptPolicySettings, "heapMb">;

/** A policy that no configuration names: limits as they are by default, nothing granted, nobody trusted. */
export function unconfigured(path: string, root: string): TriedPolicy {
  return {
    path,
    root,
    timeoutMs: 50,
    heapMb: 64,
    net: [],
    isolation: "process",
    trust: { required: false, keys: [] },
  };
}

const IGNORED = { onWorn() {}, onDiffers() {}, onEnd() {} };

/** Bundles a policy and loads it as a gateway would. */
export async function openPolicy(settings: TriedPolicy): Promise<SandboxedPolicy | Refusal> {
  const { path, heapMb, timeoutMs } = settings;
  using bundler = createBundler();
  const result = await readPolicy(settings, bundler);
  if (!result.ok) return { step: "bundle", flaws: result.flaws };
  const { bundle } = result;
  const clock = () => performance.now();
  const host = new PolicyHost({
    deadlines: createDeadlines(clock),
    clock,
    open: openProcess,
    heapMb,
  });
  const close = () => {
    host.kill();
    return host.ended;
  };
  const refused = await host.load({ timeoutMs, heapMb, traces: true, code: bundle.code }, IGNORED);
  if (refused) {
    await close();
    return { step: "load", flaws: [refusalOf(refused, bundle, path)] };
  }
  return {
    bundle,
    decide: (context) => host.decide(JSON.stringify(context)),
    explain({ fault, detail }) {
      const flaw = flawOf(bundle, detail, path);
      return { ...flaw, message: flaw.message === "" ? fault : `${fault}: ${flaw.message}` };
    },
    [Symbol.asyncDispose]: close,
  };
}
