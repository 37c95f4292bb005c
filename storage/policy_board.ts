import { existsSync } from "node:fs";
import type { Log } from "../core/log.ts";
import type { PolicyRunner } from "../core/policy_runner.ts";
import type { PolicyBoard, PolicyNotice } from "../core/policy_standing.ts";
import { rollbackKey } from "../core/rollout_guard.ts";
import { isRemote, openKv, whenUnlocked } from "./ledger_kv.ts";
import { stateKey } from "./state_kv.ts";
import { stateFault } from "./state_fault.ts";

/** How often a process looks whether it is to resume a policy, and says what has changed, ms. */
const LOOK_MS = 1_000;
/** A notice is said again after this, ms. */
const REPEAT_MS = 5_000;
/** A notice this old is that of a process that ended, ms. */
const STALE_MS = 15_000;

const NOTICES = ["policies", "notice"];
const RESUMED = ["policies", "resumed"];

/**
 * Opens the board in a state, for commands: they make none.
 *
 * @throws {Error} when there is no state
 */
export async function openPolicyBoard(path: string, now: () => number): Promise<PolicyBoard> {
  if (!isRemote(path) && !existsSync(path)) throw new Error("there is no file; a gateway makes it");
  const kv = await openKv(path);
  return {
    async read() {
      const notices: PolicyNotice[] = [];
      for await (const { value } of kv.list<PolicyNotice>({ prefix: NOTICES })) {
        if (value.at > now() - STALE_MS) notices.push(value);
      }
      return notices.sort((a, b) => a.process < b.process ? -1 : 1);
    },
    async askToResume(group) {
      const asked = kv.atomic().set([...RESUMED, group], now()).delete(
        stateKey(rollbackKey(group)),
      );
      await whenUnlocked(() => asked.commit());
    },
    [Symbol.dispose]: () => kv.close(),
  };
}

/** What a process needs to say how its policies stand. */
export interface PolicyNoticeOptions {
  readonly policies: Pick<PolicyRunner, "standings" | "resume">;
  readonly log: Log;
  readonly replica: string | null;
  /** Epoch ms. */
  now(): number;
}

/** Says how the policies of this process stand, and resumes those it is asked to. */
export function postPolicyNotices(kv: Deno.Kv, options: PolicyNoticeOptions): Disposable {
  const { policies, log, replica, now } = options;
  const process = `${replica ?? "process"} ${Deno.pid}`;
  const key = [...NOTICES, crypto.randomUUID()];
  let resumedAt = now();
  let said = { text: "[]", at: 0 };
  let busy = false;
  let ended = false;

  async function look(): Promise<void> {
    const standings = policies.standings();
    if (standings.some(({ state }) => state === "quarantined")) await resumeAsked();
    const text = JSON.stringify(policies.standings());
    const at = now();
    if (text === said.text && (text === "[]" || at < said.at + REPEAT_MS)) return;
    const notice: PolicyNotice = { process, at, standings: policies.standings() };
    await whenUnlocked(() => kv.set(key, notice, { expireIn: STALE_MS }));
    said = { text, at };
  }

  async function resumeAsked(): Promise<void> {
    const from = resumedAt;
    for await (const { key, value } of kv.list<number>({ prefix: RESUMED })) {
      if (value <= from) continue;
      resumedAt = Math.max(resumedAt, value);
      policies.resume(String(key.at(-1)));
    }
  }

  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    look().catch((error) => {
      if (ended) return;
      const reason = stateFault(error);
      log.write("warn", "policy_board_failed", "Cannot tell how policies stand", { reason });
    }).finally(() => busy = false);
  }, LOOK_MS);
  Deno.unrefTimer(timer);
  return {
    [Symbol.dispose]() {
      ended = true;
      clearInterval(timer);
    },
  };
}
