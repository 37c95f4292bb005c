/** Goes on in a later turn of the event loop: calls and timers that are due come first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
