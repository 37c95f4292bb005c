import type { RecordedDecision } from "../../core/decision_store.ts";
import { planDigest } from "../../core/plan_json.ts";
import type { RouteContext } from "../../core/strategy.ts";
import {
  type GroupStatics,
  RecordError,
  unpackContext,
} from "../../core/telemetry/context_record.ts";
import type { Decider, Deciders } from "./deciders.ts";

/** A record as far as it can be decided about again. */
export interface ReadRecord<Record extends RecordedDecision = RecordedDecision> {
  readonly record: Record;
  readonly context: RouteContext;
  readonly statics: GroupStatics;
  /** What decided, or why that cannot be asked. */
  readonly decider: Decider | "remote" | "missing" | "needsContent";
}

/**
 * Reads a record, and finds what decided; `null`: its configuration is not stored.
 *
 * @throws {RecordError} when it is not what was written
 */
export async function readRecord<Record extends RecordedDecision>(
  record: Record,
  deciders: Deciders,
): Promise<ReadRecord<Record> | null> {
  const statics = await deciders.statics(record);
  if (statics === null) return null;
  const context = unpackContext({ z: record.contextZ, sha256: record.contextSha256 }, statics);
  const isWhole = context.requestId === record.requestId && context.group === record.group &&
    context.seed === record.seed &&
    (record.planSha256 === null || record.planSha256 === planDigest(record.planJson));
  if (!isWhole) throw new RecordError("Cannot read a record: its parts do not belong together");
  const found = await deciders.of(record, statics);
  const seesContent = record.contentSha256 !== null && record.policyDigest !== null;
  return { record, context, statics, decider: seesContent ? "needsContent" : found };
}
