import { createDeadlines } from "../core/deadlines.ts";
import type { RouteContext } from "../core/strategy.ts";
import type { Bundle, BundleFlaw } from "./sandbox/bundle.ts";
import { createBundler } from "./sandbox/bundler.ts";
import { type HostAnswer, HostProcess } from "./sandbox/host_process.ts";
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

/** Limits of a decision as the configuration defaults them. */
const LIMITS = { timeoutMs: 50, heapMb: 64, traces: true };

const IGNORED = { onWorn() {}, onDiffers() {}, onEnd() {} };

/**
 * Bundles a policy and loads it as a gateway would.
 *
 * @param root absolute folder that its sources must lie in
 */
export async function openPolicy(path: string, root: string): Promise<SandboxedPolicy | Refusal> {
  using bundler = createBundler();
  const result = await bundler.bundle(path, root);
  if (!result.ok) return { step: "bundle", flaws: result.flaws };
  const { bundle } = result;
  const clock = () => performance.now();
  const host = new HostProcess({ deadlines: createDeadlines(clock), clock, heapMb: LIMITS.heapMb });
  const close = () => {
    host.kill();
    return host.ended;
  };
  const refused = await host.load({ ...LIMITS, code: bundle.code }, IGNORED);
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
