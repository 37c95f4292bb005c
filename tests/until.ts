import { wait } from "@/core/wait.ts";

/** Ends when something is so; rejects when it still is not after `ms`. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  ms = 60_000,
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!await isSo()) {
    if (performance.now() > deadline) throw new Error("Cannot wait any longer");
    await wait(5);
  }
}
