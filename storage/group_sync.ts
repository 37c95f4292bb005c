/**
 * Shares one slow sync among everybody who asks meanwhile: a caller waits for a sync that began after
 * it asked, and at most one is under way.
 *
 * @example Usage
 * ```ts
 * import { groupSync } from "@/storage/group_sync.ts";
 *
 * let syncs = 0;
 * const synced = groupSync(() => Promise.resolve(void (syncs += 1)));
 * await Promise.all([synced(), synced(), synced()]);
 * if (syncs !== 1) throw new Error("Cannot share");
 * ```
 */
export function groupSync(sync: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  async function after(previous: Promise<void> | undefined): Promise<void> {
    await previous;
    running = next;
    next = undefined;
    await sync();
  }

  return () => next ??= after(running);
}
