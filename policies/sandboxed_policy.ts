import { createDeadlines } from "../core/deadlines.ts";
import type { ScriptPolicySettings } from "../core/policy_settings.ts";
import type { RouteContext } from "../core/strategy.ts";
import type { Bundle, BundleFlaw } from "./sandbox/bundle.ts";
import { readPolicy, type SourceSettings } from "./policy_source.ts";
import { createBundler } from "./sandbox/bundler.ts";
import { GrantedFetch } from "./sandbox/granted_fetch.ts";
import { type HostAnswer, PolicyHost } from "./sandbox/policy_host.ts";
import { openProcess } from "./sandbox/process_link.ts";
import { refusalOf } from "./sandbox/refusal.ts";
import { flawOf } from "./sandbox/source_position.ts";

/** A policy in a sandbox of its own, for the commands of authors. */
export interface SandboxedPolicy extends AsyncDisposable {
  readonly bundle: Bundle;
  decide(context: RouteContext): Promise<HostAnswer>;
  /** Each `host:port` that it asked and is not granted. */
  readonly ungranted: ReadonlySet<string>;
  /** Bytes of its heap, garbage included; `null`: its process is gone. */
  heapBytes(): Promise<number | null>;
  /** Where a decision failed, and what was thrown: no message where nothing was. */
  explain(failed: { readonly detail: string }): BundleFlaw;
}

/** Why a policy does not come to decide: it has no bundle, or its top level fails. */
export interface Refusal {
  readonly step: "bundle" | "load";
  readonly flaws: readonly BundleFlaw[];
}

/** The policy of a group, as far as it matters where nothing is served. */
export type TriedPolicy = SourceSettings & Pick<ScriptPolicySettings, "heapMb" | "http"> & {
  /** Whether it has `router` though nothing is granted: what it asks is denied, and told. */
  readonly tellsAsked?: true;
};

/** A policy that no configuration names: limits as they are by default, nothing granted, nobody trusted. */
export function unconfigured(path: string, root: string): TriedPolicy {
  return {
    path,
    root,
    timeoutMs: 50,
    heapMb: 64,
    net: [],
    http: { timeoutMs: 200, maxResponseBytes: 65_536, allowHttp: false, headers: {} },
    tellsAsked: true,
    isolation: "process",
    trust: { required: false, keys: [] },
  };
}

const IGNORED = { onWorn() {}, onDiffers() {}, onEnd() {} };

/** Bundles a policy and loads it as a gateway would. */
export async function openPolicy(settings: TriedPolicy): Promise<SandboxedPolicy | Refusal> {
  const { path, heapMb, timeoutMs, net, http } = settings;
  using bundler = createBundler();
  const result = await readPolicy(settings, bundler);
  if (!result.ok) return { step: "bundle", flaws: result.flaws };
  const { bundle } = result;
  const clock = () => performance.now();
  const deadlines = createDeadlines(clock);
  const open = () => new PolicyHost({ deadlines, clock, open: openProcess, heapMb });
  let host = open();
  const ungranted = new Set<string>();
  const fetches = net.length > 0 || settings.tellsAsked === true;
  const onUngranted = (place: string) => void ungranted.add(place);
  const granted = fetches ? new GrantedFetch(net, http, { deadlines, onUngranted }) : null;
  const close = () => {
    granted?.[Symbol.dispose]();
    host.kill();
    return host.ended;
  };
  const message = { timeoutMs, heapMb, fetches, traces: true, code: bundle.code };
  const refused = await host.load(message, IGNORED);
  if (refused) {
    await close();
    return { step: "load", flaws: [refusalOf(refused, bundle, path)] };
  }
  const decideOnce = async (context: string) => {
    if (!host.alive) await (host = open()).load(message, IGNORED);
    return await host.decide(context, granted);
  };
  return {
    bundle,
    async decide(context) {
      const text = JSON.stringify(context);
      const answer = await decideOnce(text);
      // A busy machine may be late for what is quick: what is slow is late again.
      return isLate(answer) ? await decideOnce(text) : answer;
    },
    ungranted,
    heapBytes: () => host.heapBytes(),
    explain: ({ detail }) => flawOf(bundle, detail, path),
    [Symbol.asyncDispose]: close,
  };
}

function isLate(answer: HostAnswer): boolean {
  return answer.kind === "lost" ||
    (answer.kind === "fault" && ["policy-killed", "policy-timeout"].includes(answer.fault));
}
