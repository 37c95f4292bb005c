/**
 * Whether a call is one of a share of all calls: the same ones in every process, and every time. By
 * FNV-1a (RFC 9923) with the last steps of MurmurHash3, as ids differ in few characters and this is
 * asked of every call.
 */
export function isSampled(requestId: string, percent: number): boolean {
  if (percent >= 100) return true;
  if (percent <= 0) return false;
  let draw = 0x811c9dc5;
  for (let place = 0; place < requestId.length; place += 1) {
    draw = Math.imul(draw ^ requestId.charCodeAt(place), 0x01000193);
  }
  draw = Math.imul(draw ^ draw >>> 16, 0x85ebca6b);
  draw = Math.imul(draw ^ draw >>> 13, 0xc2b2ae35);
  return ((draw ^ draw >>> 16) >>> 0) % 10_000 < 100 * percent;
}
