/** A line that waits, and where it stands. */
export interface SpooledLine {
  readonly place: string;
  readonly text: string;
}

/** Lines that wait to be delivered, in their order; they outlive the process. */
export interface Spool extends Disposable {
  /** Adds a line; the oldest go where more than `maxBytes` would wait. Never throws. */
  append(line: string, maxBytes: number): void;
  /** The oldest line; `null`: none waits. */
  first(): SpooledLine | null;
  /** Lets a line go, if it still is the oldest. */
  remove(line: SpooledLine): void;
  /** Of all lines that wait. */
  readonly bytes: number;
  /** Lines that went without having been removed, or could not be written. */
  readonly dropped: number;
}

/** Opens the spool of a group. */
export type OpenSpool = (group: string) => Spool;
