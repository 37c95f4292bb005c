/**
 * A UUIDv7 as 32 hex digits: ids that grow with time (epoch ms) keep the indexes of the usage database
 * compact.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.7
 */
export function newId(now: number): string {
  const random = crypto.randomUUID();
  const time = now.toString(16).padStart(12, "0");
  return `${time}7${random.slice(15, 18)}${random.slice(19, 23)}${random.slice(24)}`;
}
