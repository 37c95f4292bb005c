/** Waits so many ms. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Goes on in a later turn of the event loop: calls and timers that are due come first. */
export function nextTurn(): Promise<void> {
  return wait(0);
}

/** A promise's value; `null` when there is none after `ms`. On the way of a call `orLate` costs less. */
export async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(late.resolve, ms, null);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
