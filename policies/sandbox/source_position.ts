import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import type { Bundle, BundleFlaw } from "./bundle.ts";
import { BUNDLE_NAME } from "./realm.ts";

/**
 * Where in its sources a policy failed, and how: the first place of the stack that lies in the bundle.
 *
 * @param detail message and stack, as the sandbox gives it
 * @param file what is at fault when the stack says nothing
 */
export function flawOf({ map, sources }: Bundle, detail: string, file: string): BundleFlaw {
  const [message = "", ...frames] = detail.split("\n");
  const kind = "broken";
  const place = new RegExp(`${RegExp.escape(BUNDLE_NAME)}:(\\d+):(\\d+)`);
  const trace = new TraceMap(map);
  for (const frame of frames) {
    const [, line, column] = place.exec(frame) ?? [];
    if (line === undefined) continue;
    const found = originalPositionFor(trace, { line: Number(line), column: Number(column) - 1 });
    const source = found.source === null ? undefined : sources[found.source];
    if (source === undefined) continue;
    return { file: source, line: found.line ?? 0, column: (found.column ?? -1) + 1, message, kind };
  }
  return { file, line: 0, column: 0, message, kind };
}
