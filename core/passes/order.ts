/** The same order, those that are wanted before the others; the very same where that changes nothing. */
export function toFront(
  order: readonly number[],
  isWanted: (index: number) => boolean,
): readonly number[] {
  const wanted = order.filter(isWanted);
  if (wanted.length === 0 || wanted.length === order.length) return order;
  return [...wanted, ...order.filter((index) => !wanted.includes(index))];
}
