import { Buffer } from "node:buffer";
import { deflateRawSync } from "node:zlib";
import { Afterwards } from "../afterwards.ts";
import type { Call, Watcher } from "../call.ts";
import type { Decision } from "../decision.ts";
import type { Log } from "../log.ts";
import type { PolicyRunner } from "../policy_runner.ts";
import type { Journal } from "../record.ts";
import { safeCause } from "../thrown.ts";
import type { Group } from "../snapshot.ts";
import { staticsOf } from "../target_view.ts";
import { packStatics, type TargetStatics } from "./context_record.ts";
import {
  decisionRecord,
  isDetailed,
  isReplayable,
  policyOf,
  recordedDecision,
} from "./decision_rows.ts";

/** Records in full how some calls were decided, when their callers have their answers. */
export interface DecisionLog extends Watcher {
  /** Records all that waits. */
  flush(): void;
}

/** What a decision log needs. */
export interface DecisionLogWorld {
  readonly journal: Journal;
  readonly policies: Pick<PolicyRunner, "bundleOf">;
  readonly log: Log;
  /** Epoch ms. */
  now(): number;
}

interface Waiting {
  readonly call: Call;
  readonly decision: Decision;
}

/** Builds a log that is empty. */
export function createDecisionLog(world: DecisionLogWorld): DecisionLog {
  const sources = createSources(world);
  const waiting = new Afterwards<Waiting>(record);

  function record({ call, decision }: Waiting): void {
    try {
      world.journal.appendDecision(decisionRecord(call, decision));
      if (isReplayable(call, decision)) sources.add(call, decision);
    } catch (error) {
      world.log.write("error", "call_failed", "Cannot record a decision", {
        request_id: call.id,
        cause: safeCause(error),
      });
    }
  }

  return {
    onSettled(call, settlement) {
      const decision = recordedDecision(call);
      if (!decision || !isDetailed(call, decision, settlement)) return;
      // Read from the headers of the request, which are gone once it is answered.
      void decision.context.conversationKey;
      waiting.add({ call, decision });
    },
    onShipped() {},
    onDenied() {},
    flush: () => waiting.flush(),
  };
}

/** What decisions are made again with: each is written once in the life of a process. */
function createSources({ journal, policies, now }: DecisionLogWorld) {
  const groups = new WeakSet<Group>();
  const digests = new Set<string>();

  function addGroup(group: Group, fingerprint: string): void {
    groups.add(group);
    const targets = group.targets.map(({ groupIndex }, place) =>
      [groupIndex, targetStatics(group, place)] as const
    );
    journal.appendDecisionSource("route_config_snapshots", {
      config_fingerprint: fingerprint,
      group_name: group.name,
      first_seen_at: now(),
      static_z: packStatics({ ...group.choice, targets: Object.fromEntries(targets) }),
    });
  }

  function addBundle(digest: string): void {
    const bundle = policies.bundleOf(digest);
    if (bundle === null) return;
    digests.add(digest);
    journal.appendDecisionSource("policy_bundles", {
      policy_digest: digest,
      name: bundle.name,
      manifest_json: bundle.manifestJson,
      signature_json: bundle.signatureJson ?? undefined,
      bundle_z: deflateRawSync(Buffer.from(bundle.code)).toString("base64"),
      first_seen_at: now(),
    });
  }

  return {
    add({ snapshot }: Call, decision: Decision): void {
      const { group } = decision;
      if (!groups.has(group)) addGroup(group, snapshot.fingerprint);
      const digest = policyOf(decision)?.digest ?? null;
      if (digest !== null && !digests.has(digest)) addBundle(digest);
    },
  };
}

function targetStatics({ targets }: Group, place: number): TargetStatics {
  const { index: _, groupIndex: __, ...statics } = staticsOf(targets[place]!);
  return statics;
}
