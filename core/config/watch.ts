import { basename, dirname } from "node:path";

/** How a watch works. */
export interface WatchOptions {
  /** Absolute paths, whether the files exist or not. */
  readonly files: readonly string[];
  /** Quiet time before a change counts, ms. */
  readonly debounceMs: number;
  /** Something happened to one of them; what counts may follow. */
  onTouch?(): void;
  onChange(): void;
  /** The system cannot watch, or no longer. */
  onFailure(error: unknown): void;
}

/**
 * Tells when one of some files changes. Their folders are watched, so that a file that is replaced
 * by a rename, removed or made later is noticed, too.
 */
export function watchFiles(options: WatchOptions): Disposable {
  try {
    return watch(options);
  } catch (error) {
    options.onFailure(error);
    return { [Symbol.dispose]() {} };
  }
}

function watch({ files, debounceMs, onTouch, onChange, onFailure }: WatchOptions): Disposable {
  const folders = [...new Set(files.map((file) => dirname(file)))];
  const names = new Set(files.map((file) => basename(file)));
  const watcher = Deno.watchFs(folders, { recursive: false });
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** `..data` is the link that a mounted config map swaps. */
  const concerns = (path: string) => names.has(basename(path)) || basename(path) === "..data";

  async function listen(): Promise<void> {
    for await (const { kind, paths } of watcher) {
      if (kind === "access" || !paths.some(concerns)) continue;
      onTouch?.();
      clearTimeout(timer);
      timer = setTimeout(onChange, debounceMs);
    }
  }

  listen().catch(onFailure);
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      watcher.close();
    },
  };
}
