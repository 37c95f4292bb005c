import { crc32, deflateSync } from "node:zlib";

/** A picture that every decoder takes: 8 by 8 pixels of one grey. */
export function picture(): Uint8Array {
  const size = 8;
  const header = new Uint8Array([0, 0, 0, size, 0, 0, 0, size, 8, 0, 0, 0, 0]);
  // Each row: no filter, then a byte for each pixel.
  const rows = Uint8Array.from(
    { length: size * (size + 1) },
    (_, index) => index % (size + 1) === 0 ? 0 : 128,
  );
  return bytes(
    [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", new Uint8Array()),
  );
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const named = bytes(new TextEncoder().encode(type), data);
  return bytes(uint32(data.length), named, uint32(crc32(named)));
}

const bytes = (...parts: readonly ArrayLike<number>[]) =>
  new Uint8Array(parts.flatMap((part) => Array.from(part)));

const uint32 = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
