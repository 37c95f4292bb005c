import { dirname } from "node:path";
import {
  type BundleAnswer,
  type BundleFlaw,
  type BundleRequest,
  type BundleResult,
  ESBUILD_WASM,
} from "./bundle.ts";
import { contains, SDK_FOLDERS } from "./imports.ts";

/** Makes bundles of policies, in a thread of its own. */
export interface Bundler extends Disposable {
  /**
   * Bundles a policy.
   *
   * @param path absolute
   * @param root absolute folder that all its sources must lie in
   */
  bundle(path: string, root: string): Promise<BundleResult>;
  /** Starts the thread of a folder, for a bundle that will be asked for. */
  warm(root: string): void;
}

/**
 * A thread that has nothing to do for so long is ended: it holds 100 MB, and takes a second of processor
 * time to start. Who edits a policy comes back within a minute.
 */
const IDLE_MS = 60_000;

interface BundleThread {
  readonly worker: Worker;
  readonly waiting: Map<number, PromiseWithResolvers<BundleResult>>;
}

/** Builds a bundler; a thread starts with the first bundle. It may read the sources, and nothing else. */
export function createBundler(): Bundler {
  const threads = new Map<string, BundleThread>();
  let lastId = 0;
  let idle: ReturnType<typeof setTimeout> | undefined;

  function stop(): void {
    clearTimeout(idle);
    for (const { worker } of threads.values()) worker.terminate();
    threads.clear();
  }

  function threadFor(root: string): BundleThread {
    const thread = threads.get(root) ?? startThread(root, () => threads.delete(root));
    threads.set(root, thread);
    return thread;
  }

  /** The threads end when nobody comes back to them. */
  function rest(): void {
    if ([...threads.values()].some(({ waiting }) => waiting.size > 0)) return;
    clearTimeout(idle);
    Deno.unrefTimer(idle = setTimeout(stop, IDLE_MS));
  }

  return {
    async bundle(path, root) {
      const place = placeOf(path, root);
      if ("message" in place) return { ok: false, flaws: [place] };
      clearTimeout(idle);
      const { worker, waiting } = threadFor(place.root);
      const request: BundleRequest = { id: ++lastId, ...place };
      const answer = Promise.withResolvers<BundleResult>();
      waiting.set(request.id, answer);
      worker.postMessage(request);
      return await answer.promise.finally(rest);
    },
    warm(root) {
      try {
        threadFor(Deno.realPathSync(root));
        rest();
      } catch {
        // Who asks for a bundle is told what is wrong with the folder.
      }
    },
    [Symbol.dispose]: stop,
  };
}

function startThread(root: string, onFailed: () => void): BundleThread {
  const worker = new Worker(new URL("./bundle_worker.ts", import.meta.url).href, {
    type: "module",
    name: "bundler",
    deno: { permissions: { read: [root, ESBUILD_WASM, ...SDK_FOLDERS] } },
  });
  const waiting: BundleThread["waiting"] = new Map();
  worker.addEventListener("message", ({ data }: MessageEvent<BundleAnswer>) => {
    waiting.get(data.id)?.resolve(data.result);
    waiting.delete(data.id);
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    // Nobody may ask it any more: it would not answer.
    onFailed();
    for (const answer of waiting.values()) {
      answer.reject(new Error("Cannot bundle: the bundler failed"));
    }
    waiting.clear();
  });
  return { worker, waiting };
}

/** Where a policy and its folder really lie; a link must not lead out of the folder. */
function placeOf(
  path: string,
  root: string,
): BundleFlaw | { readonly path: string; readonly root: string } {
  const refusal = (message: string, kind: BundleFlaw["kind"]) => ({
    file: path,
    line: 0,
    column: 0,
    message,
    kind,
  });
  try {
    const place = { path: Deno.realPathSync(path), root: Deno.realPathSync(root) };
    if (contains(place.root, dirname(place.path))) return place;
    return refusal(`the policy lies outside "${root}"`, "refused");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return refusal("there is no such file", "unreadable");
  }
}
