/** When something is charged. */
export interface Moment {
  /** Epoch ms of the wall clock, which may step. */
  readonly wall: number;
  /** Epoch ms that only ever grow at the pace of a monotonic clock. */
  readonly steady: number;
}
