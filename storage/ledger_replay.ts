import type { Charge } from "../core/limits/charge.ts";
import type { ScopeKind } from "../core/limits/limit.ts";
import { parseJson } from "../core/parse_json.ts";
import { type JournalFiles, MAX_LINE_BYTES } from "./journal_folder.ts";
import { createSegmentReader, type Position } from "./segment_reader.ts";

/** What a line says of limits. */
export interface ChargedLine {
  readonly seq: number;
  /** Epoch ms at which the call was settled. */
  readonly settledAt: number;
  /** Epoch ms at which it was charged. */
  readonly chargedAt: number;
  readonly charge: Charge;
  /** Whose limits it counts against: keys of accounts. */
  readonly ids: readonly string[];
}

/** The lines of a journal behind a place that were charged, in order. */
export function* chargedLines(journal: JournalFiles, from: Position): Iterable<ChargedLine> {
  const reader = createSegmentReader({ lines: 1_000, bytes: 4 * MAX_LINE_BYTES });
  for (let place = from;;) {
    const { lines, next } = reader.read(journal, place);
    if (lines.length === 0) return;
    for (const { bytes } of lines) {
      const line = chargedLine(bytes);
      if (line !== null) yield line;
    }
    place = next;
  }
}

const decoder = new TextDecoder();

/** `null` for a line that counts nowhere, or that nobody could read. */
function chargedLine(bytes: Uint8Array): ChargedLine | null {
  const row = membersOf(bytes);
  const chargedAt = numberOf(row["charged_at"]);
  if (chargedAt === 0) return null;
  const id = (kind: ScopeKind, column: string) => `${kind}:${String(row[column] ?? "")}`;
  return {
    seq: numberOf(row["seq"]),
    settledAt: numberOf(row["settled_at"]),
    chargedAt,
    charge: {
      calls: 1,
      requests: numberOf(row["charged_requests"]),
      tokens: numberOf(row["charged_tokens"]),
      nusd: numberOf(row["charged_nusd"]),
    },
    ids: [
      id("caller", "caller_id"),
      id("project", "caller_project"),
      id("user", "caller_user"),
    ],
  };
}

function membersOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = parseJson(decoder.decode(bytes));
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
