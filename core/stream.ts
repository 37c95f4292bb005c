/**
 * Turns a sequence of one thing into a sequence of another, one item at a time.
 * Synchronous, so it can be tested with an array and tapped without a fork.
 */
export interface Stepper<Input, Output> {
  /** Takes one item; gives none, one or many. */
  step(input: Input): Iterable<Output>;
  /** Called once, after the last item. */
  end(): Iterable<Output>;
}

/**
 * Runs a stepper over an array.
 *
 * @example Usage
 * ```ts
 * import { stepAll } from "@/core/stream.ts";
 *
 * const double = { step: (n: number) => [n, n], end: () => [0] };
 * if (stepAll([1, 2], double).join() !== "1,1,2,2,0") throw new Error("Cannot double");
 * ```
 */
export function stepAll<Input, Output>(
  items: Iterable<Input>,
  stepper: Stepper<Input, Output>,
): Output[] {
  const out: Output[] = [];
  for (const item of items) for (const one of stepper.step(item)) out.push(one);
  for (const one of stepper.end()) out.push(one);
  return out;
}
