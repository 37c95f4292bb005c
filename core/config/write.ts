import { basename, dirname, join } from "node:path";

/**
 * Replaces a file in one step: readers see the old text or the new one, never half of it. The mode
 * stays; a symbolic link stays and its target is replaced.
 */
export function replaceFile(path: string, text: string): void {
  const target = Deno.realPathSync(path);
  const { mode } = Deno.statSync(target);
  const spare = join(dirname(target), `.${basename(target)}.${crypto.randomUUID()}`);
  writeNew(spare, text, (mode ?? 0o600) & 0o777);
  try {
    Deno.renameSync(spare, target);
  } catch (error) {
    Deno.removeSync(spare);
    throw error;
  }
}

/**
 * Writes a file that must not exist yet, to the disk and not only to its cache.
 *
 * @throws {Deno.errors.AlreadyExists}
 */
export function writeNew(path: string, text: string, mode: number): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode });
  if (Deno.build.os !== "windows") Deno.chmodSync(path, mode);
  let bytes: Uint8Array = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(file.writeSync(bytes));
  file.syncSync();
}

/**
 * Writes a file that appears with all of its text or not at all; of several writers one wins.
 *
 * @returns whether this call wrote it
 */
export function publishFile(path: string, text: string, mode: number): boolean {
  const spare = `${path}.${crypto.randomUUID()}`;
  writeNew(spare, text, mode);
  try {
    Deno.linkSync(spare, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    return writeUnlessThere(path, text, mode);
  } finally {
    Deno.removeSync(spare);
  }
}

/** The way for file systems without hard links: a reader may see the file before its text. */
function writeUnlessThere(path: string, text: string, mode: number): boolean {
  try {
    writeNew(path, text, mode);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}
