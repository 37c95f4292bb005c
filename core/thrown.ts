/** What something thrown says. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What kind of thing was thrown, where its message may tell too much. */
export function kindOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : "unknown";
}

/** Where a fault of ours was thrown, without its message: that may quote what a caller sent. */
export function safeCause(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  const frames = cause.stack?.split("\n").filter((line) => /^\s+at /.test(line)).slice(0, 3) ?? [];
  const places = frames.map((line) => line.replace(/^\s+at /, "").replace(/\(?\w+:\/\/.*\//, ""));
  return [cause.name, ...places].join(" < ");
}
