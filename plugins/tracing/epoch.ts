/** Clocks of the process: epoch ms without fractions, and monotonic ms. */
interface Clocks {
  now(): number;
  clock(): number;
}

/**
 * Makes a function that tells when the monotonic clock was 0, in epoch ms with fractions: one added to
 * the other is as exact as the monotonic clock, and stays within the millisecond that the system's
 * clock shows, also when that is set or drifts.
 *
 * @param start where to begin, such as `performance.timeOrigin`
 */
export function createEpoch(start: number, { now, clock }: Clocks): () => number {
  let origin = start;
  return () => {
    const wall = now();
    const shown = origin + clock();
    if (shown < wall) origin += wall - shown;
    else if (shown >= wall + 1) origin -= shown - (wall + 1);
    return origin;
  };
}
