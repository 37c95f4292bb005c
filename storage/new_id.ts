/** Makes an id: `<kind>_` and the 32 hex digits of a UUIDv7, so that ids sort by time (epoch ms). */
export function newId(kind: string, now: number): string {
  const random = crypto.getRandomValues(new Uint8Array(10)).toHex();
  const variant = "89ab"[parseInt(random[3]!, 16) & 3];
  return `${kind}_${now.toString(16).padStart(12, "0")}7${random.slice(0, 3)}${variant}` +
    random.slice(4, 19);
}
