import { COST_CLASSES } from "../../core/decision_store.ts";
import type { ReplayAccount, Sides } from "./account.ts";
import { type Breakdown, byName, latencyOf, sumOf, targetRows } from "./report.ts";
import type { Replay } from "./run_replay.ts";

/** A replay for people; `by` are the rows below the totals. */
export function replayText(
  replay: Replay,
  by: readonly Breakdown[],
  hasCandidate: boolean,
): string {
  const { account } = replay;
  const lines = [proofLine(replay), ...differenceLines(replay), servedLine(account)];
  if (hasCandidate) lines.push(candidateLine(account));
  for (const kind of by) lines.push(...rowsOf(kind, account, hasCandidate));
  return [...lines, lastLine(replay, hasCandidate)].join("\n");
}

function proofLine({ records, verdicts }: Replay): string {
  const { identical, different, ...others } = verdicts;
  const again = identical + different + verdicts.engineChanged;
  return [
    `proof      ${count(records)} recorded`,
    `${count(again)} re-decided`,
    `${count(identical)} identical`,
    `${count(different)} different`,
    ...Object.entries(others).filter(([_, number]) => number > 0)
      .map(([name, number]) => `${count(number)} ${kebab(name)}`),
  ].join("  ");
}

function differenceLines({ differences, damaged }: Replay): readonly string[] {
  return [
    ...damaged.map((requestId) => `  ${requestId}  damaged`),
    ...differences.map(({ requestId, stored, redecided }) =>
      `  ${requestId}  ${stored} -> ${redecided ?? "no plan"}`
    ),
  ];
}

function servedLine(account: ReplayAccount): string {
  const { served } = latencyOf(account);
  return `served     ${count(account.calls)} calls  USD ${usd(sumOf(account.total.served))}  ` +
    `p50 ${count(served.p50)} ms  p95 ${count(served.p95)} ms`;
}

function candidateLine(account: ReplayAccount): string {
  const { modelled } = latencyOf(account);
  const { total, calls } = account;
  return `candidate  ${count(calls)} calls  USD ${usd(sumOf(total.candidate))}  ` +
    `p50 ${count(modelled.p50)} ms  p95 ${count(modelled.p95)} ms (modelled)  ` +
    `delta USD ${deltaOf(total)}`;
}

function rowsOf(by: Breakdown, account: ReplayAccount, hasCandidate: boolean): readonly string[] {
  switch (by) {
    case "class":
      return hasCandidate ? [classLine(account.total)] : [];
    case "target":
      return targetLines(account, hasCandidate);
    case "group":
      return sidesLines(by, account.groups, hasCandidate);
    case "caller":
      return sidesLines(by, account.callers, hasCandidate);
  }
}

function classLine({ served, candidate }: Sides): string {
  const parts = COST_CLASSES.map((name) =>
    `${name} ${signed(candidate.nusd[name] - served.nusd[name])}`
  );
  return `class      ${parts.join("  ")}`;
}

function targetLines(account: ReplayAccount, hasCandidate: boolean): readonly string[] {
  const calls = Object.fromEntries(
    [...account.groups].map(([group, { served }]) => [group, served.calls]),
  );
  return targetRows(account).map(({ group, target, served, candidate }) => {
    const share = (number: number) => `${(100 * number / calls[group]!).toFixed(1)} %`;
    const after = hasCandidate ? ` -> ${share(candidate)}` : "";
    return `target     ${group}  ${target}  ${share(served)}${after}`;
  });
}

function sidesLines(
  kind: string,
  rows: ReadonlyMap<string, Sides>,
  hasCandidate: boolean,
): readonly string[] {
  return [...rows].sort(byName).map(([name, sides]) => {
    const after = hasCandidate
      ? ` -> ${usd(sumOf(sides.candidate))}  delta USD ${deltaOf(sides)}`
      : "";
    return `${kind.padEnd(11)}${name}  ${count(sides.served.calls)} calls  ` +
      `USD ${usd(sumOf(sides.served))}${after}`;
  });
}

function lastLine({ account, undecided }: Replay, hasCandidate: boolean): string {
  return [
    ...(hasCandidate ? [`faults ${count(account.faults)}`] : []),
    `unpriced ${count(account.unpriced)}`,
    ...(hasCandidate ? [`needs-content ${count(undecided.needsContent)}`] : []),
    ...(undecided.remote > 0 ? [`remote ${count(undecided.remote)}`] : []),
  ].join("  ");
}

function deltaOf(sides: Sides): string {
  const [before, after] = [sumOf(sides.served), sumOf(sides.candidate)];
  if (before === 0n) return signed(after - before);
  const tenths = Number((after - before) * 1_000n / before);
  return `${signed(after - before)}  ${tenths > 0 ? "+" : ""}${(tenths / 10).toFixed(1)} %`;
}

/** Three decimals, six below one USD, rounded half away from zero. */
function usd(nusd: bigint): string {
  const amount = nusd < 0n ? -nusd : nusd;
  const places = amount < 1_000_000_000n ? 6 : 3;
  const unit = 10n ** BigInt(9 - places);
  const scale = 10n ** BigInt(places);
  const rounded = (amount + unit / 2n) / unit;
  const sign = nusd < 0n && rounded > 0n ? "-" : "";
  return `${sign}${count(Number(rounded / scale))}.${
    String(rounded % scale).padStart(places, "0")
  }`;
}

function signed(nusd: bigint): string {
  if (nusd === 0n) return "0";
  return nusd > 0n ? `+${usd(nusd)}` : usd(nusd);
}

/** Thousands apart. */
function count(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
