/** Where a fault of ours was thrown, without its message: that may quote what a caller sent. */
export function safeCause(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  const frames = cause.stack?.split("\n").filter((line) => /^\s+at /.test(line)).slice(0, 3) ?? [];
  const places = frames.map((line) => line.replace(/^\s+at /, "").replace(/\(?\w+:\/\/.*\//, ""));
  return [cause.name, ...places].join(" < ");
}
