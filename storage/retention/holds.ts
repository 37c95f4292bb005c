import { newId } from "../../core/new_id.ts";
import type { DataClass } from "../../core/snapshot.ts";
import type { Queries, UsageDatabase, Value } from "../database.ts";

/** What a hold keeps; empty texts and `null` name everything. */
export interface NewHold {
  readonly dataClass: DataClass;
  readonly requestId: string;
  readonly project: string;
  readonly environment: string;
  /** Half-open, epoch ms. */
  readonly from: number | null;
  readonly to: number | null;
  readonly reason: string;
  readonly actor: string;
}

/** Makes a hold and its audit row; gives its id. */
export async function createHold(db: UsageDatabase, hold: NewHold, now: number): Promise<string> {
  const id = `hld_${newId(now)}`;
  const row: Readonly<Record<string, Value>> = {
    hold_id: id,
    data_class: hold.dataClass,
    request_id: hold.requestId,
    caller_project: hold.project,
    caller_environment: hold.environment,
    reason_code: hold.reason,
    created_by: hold.actor,
    active: 1,
    created_at: now,
    start_ts: hold.from,
    end_ts: hold.to,
  };
  await db.transaction(async (queries) => {
    await queries.insert("legal_holds", [{
      columns: Object.keys(row),
      values: Object.values(row),
    }]);
    const { actor, reason } = hold;
    await audit(queries, { id, event: "created", actor, reason, now });
  });
  return id;
}

/** Ends a hold; false when there is none that is active by that id. */
export async function releaseHold(
  db: UsageDatabase,
  { id, reason, actor }: { readonly id: string; readonly reason: string; readonly actor: string },
  now: number,
): Promise<boolean> {
  return await db.transaction(async (queries) => {
    const released = await queries.query(
      `UPDATE legal_holds SET active = 0, released_by = $1, release_reason = $2, released_at = $3
        WHERE hold_id = $4 AND active = 1 RETURNING hold_id`,
      actor,
      reason,
      now,
      id,
    );
    if (released.length === 0) return false;
    await audit(queries, { id, event: "released", actor, reason, now });
    return true;
  });
}

/** Every hold, the newest first. */
export function listHolds(db: Queries): Promise<Record<string, Value>[]> {
  return db.query("SELECT * FROM legal_holds ORDER BY created_at DESC, hold_id");
}

interface HoldEvent {
  readonly id: string;
  readonly event: "created" | "released";
  readonly actor: string;
  readonly reason: string;
  readonly now: number;
}

async function audit(db: Queries, { id, event, actor, reason, now }: HoldEvent): Promise<void> {
  const [before, after] = event === "created" ? [0, 1] : [1, 0];
  await db.insert("legal_hold_audit_events", [{
    columns: [
      ...["id", "hold_id", "event_type", "actor", "reason_code", "previous_active"],
      ...["new_active", "ts"],
    ],
    values: [`aud_${newId(now)}`, id, event, actor, reason, before, after, now],
  }]);
}
