import type { Snapshot } from "../core/snapshot.ts";
import { findJournals } from "./journal_folder.ts";
import type { LedgerHead, LedgerKv } from "./ledger_kv.ts";
import { type ChargedLine, chargedLines } from "./ledger_replay.ts";
import type { LedgerStoreOptions } from "./ledger_store_options.ts";

/** Up to where the stored counters of accounts count, by id. */
type Counted = Map<string, Pick<LedgerHead, "seq" | "at">>;

/** Whether a line is one that an account does not hold yet. */
type Adds = (line: ChargedLine, id: string) => boolean;

/** Brings the ledger to where it was when the last process ended, however it did. */
export async function rebuild(kv: LedgerKv, options: LedgerStoreOptions): Promise<void> {
  const { ledger, log } = options;
  const head = await kv.readHead();
  const counted: Counted = new Map();
  // Without a head, what lies there was never finished, or is about to be removed.
  if (head !== null) {
    for await (const { id, seq, at = head.at, state } of kv.readAccounts()) {
      ledger.restore(id, state);
      counted.set(id, { seq, at });
    }
  }
  const mark = options.journal.mark();
  const follows = followers(head, mark, counted);
  // Numbers of another journal, or of lines that were never written, must not stay beside new ones.
  for (const [id, { seq }] of counted) {
    if (head?.journalId !== mark.journalId || seq > mark.seq) ledger.giveBack([ledger.account(id)]);
  }
  const known = new Set([...counted.keys(), ...limitedIds(options.snapshot)]);
  let lines = 0;
  for (const line of linesOf(head, follows.from, options)) {
    let used = false;
    for (const id of line.ids) {
      if (!(known.has(id) || id.startsWith("caller:")) || !follows.adds(line, id)) continue;
      ledger.replay(id, line.charge, line.chargedAt);
      used = true;
    }
    lines += Number(used);
  }
  if (lines > 0) log.write("info", "ledger_rebuilt", "Counters took in journal lines", { lines });
}

/** Without a head nothing is counted yet, of no process that wrote here. */
function* linesOf(
  head: LedgerHead | null,
  from: LedgerHead["position"],
  { journal, snapshot }: LedgerStoreOptions,
): Iterable<ChargedLine> {
  yield* chargedLines(journal.files, from);
  if (head !== null) return;
  for (const files of findJournals(snapshot.server.logging.path)) {
    const isOther = files.kind === "requests" && files.stem !== journal.files.stem;
    if (isOther) yield* chargedLines(files, from);
  }
}

/** Keys of the accounts that the configuration limits. */
function limitedIds({ callers }: Snapshot): readonly string[] {
  return [...callers.values()].flatMap(({ limits }) => limits.map(({ id }) => id));
}

/** From where lines are read, and which of them an account does not hold yet. */
function followers(
  head: LedgerHead | null,
  mark: Pick<LedgerHead, "journalId" | "seq">,
  counted: Counted,
): { readonly from: LedgerHead["position"]; readonly adds: Adds } {
  const begin = { segment: 1, byteOffset: 0 };
  if (head === null) return { from: begin, adds: () => true };
  // Another journal has other numbers: only time tells what is new in it.
  if (head.journalId !== mark.journalId) {
    const adds: Adds = ({ settledAt }, id) => settledAt > (counted.get(id) ?? head).at;
    return { from: begin, adds };
  }
  return {
    from: head.position,
    adds: ({ seq }, id) => seq > (counted.get(id) ?? head).seq,
  };
}
