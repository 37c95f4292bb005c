/** The numbers of one process as `/metrics` shows them: families in the JSON form of prom-client. */
export type Counts = readonly { readonly type: unknown }[];

/** What is to be known of a process that is gone: what it counted, and not how it stood. */
export function lasting(counts: Counts): Counts {
  return counts.filter(({ type }) => type !== GAUGE);
}

/** What was counted since, beside how things stood before. */
export function counted(before: Counts, counts: Counts): Counts {
  return [...before.filter(({ type }) => type === GAUGE), ...counts];
}

const GAUGE = "gauge";

/** What a serving process knows of those beside it; there is none where it serves alone. */
export interface Fleet {
  /** Its place among them, from 0: the same after a restart. */
  readonly worker: number;
  /** The numbers of all of them, its own included, and of their supervisor. */
  counts(): Promise<readonly Counts[]>;
}
