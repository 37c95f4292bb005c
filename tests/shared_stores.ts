import { join } from "node:path";
import { wait } from "@/core/wait.ts";

/** Where processes count together in a test. */
export interface SharedStore extends AsyncDisposable {
  /** `state_path`: a file, or the URL of a KV Connect server. */
  readonly path: string;
  /** The file behind it. */
  readonly file: string;
}

/** A kind of store, and how one is made in a folder. */
export interface StoreKind {
  readonly name: string;
  open(dir: string): Promise<SharedStore>;
}

const FILE: StoreKind = {
  name: "a file",
  open(dir) {
    const file = join(dir, "router.kv");
    return Promise.resolve({ path: file, file, [Symbol.asyncDispose]: () => Promise.resolve() });
  },
};

const ACCESS_TOKEN = "kv-access-token-of-a-test";

const SERVER: StoreKind = {
  name: "a KV Connect server",
  async open(dir) {
    const file = join(dir, "server.sqlite");
    using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = `127.0.0.1:${free.addr.port}`;
    free.close();
    Deno.env.set("DENO_KV_ACCESS_TOKEN", ACCESS_TOKEN);
    const child = new Deno.Command("denokv", {
      args: ["--sqlite-path", file, "serve", "--addr", address, "--access-token", ACCESS_TOKEN],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const store = {
      path: `http://${address}`,
      file,
      async [Symbol.asyncDispose]() {
        child.kill("SIGKILL");
        await child.status;
      },
    };
    for (let tries = 0; !await answers(store.path); tries++) {
      if (tries === 100) throw new Error("Cannot start denokv: it does not listen");
      await wait(50);
    }
    return store;
  },
};

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).body?.cancel();
    return true;
  } catch {
    return false;
  }
}

/** `null` where it is not installed. */
async function denokvVersion(): Promise<string | null> {
  try {
    const { stdout } = await new Deno.Command("denokv", { args: ["--version"] }).output();
    return new TextDecoder().decode(stdout).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const version = await denokvVersion();

/** Every kind of store that can be had here. */
export const STORES: readonly StoreKind[] = version === null ? [FILE] : [FILE, SERVER];

/** What was tried, and what was not. */
export const TRIED = version === null
  ? "a file alone: denokv is not on PATH, so nothing went over HTTP"
  : `a file, and over HTTP on ${version}`;
