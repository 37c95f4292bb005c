import { messageOf } from "../thrown.ts";
import { isUtf8 } from "node:buffer";

/** A file as text, with its permission bits (`null` where the system has none). */
export interface FileText {
  readonly text: string;
  readonly mode: number | null;
}

/** The world a configuration is read from. */
export interface Sources {
  /** `null`: there is no such file. Throws when it cannot be read as UTF-8. */
  readFile(path: string): FileText | null;
  env(name: string): string | undefined;
  /** Epoch ms. */
  now(): number;
}

/** Reads a file; one that is there and cannot be read gives the reason. */
export function readSource(
  path: string,
  sources: Sources,
): FileText | null | { readonly unreadable: string } {
  try {
    return sources.readFile(path);
  } catch (error) {
    const reason = messageOf(error);
    return { unreadable: `cannot read the file: ${reason}` };
  }
}

/** The disk and the environment of this process, the latter through `env`. */
export function diskSources(world: Pick<Sources, "env" | "now">): Sources {
  return {
    env: (name) => world.env(name),
    now: () => world.now(),
    readFile(path) {
      try {
        const bytes = Deno.readFileSync(path);
        const { mode } = Deno.statSync(path);
        if (!isUtf8(bytes)) throw new TypeError("it is not UTF-8");
        return { text: new TextDecoder().decode(bytes), mode };
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return null;
        throw error;
      }
    },
  };
}

/** What files held when they were read, by the path they were asked for; `null`: there was none. */
export type ConfigFiles = Readonly<Record<string, FileText | null>>;

/** Sources that remember what they read, so that other processes can read the very same. */
export function recording(sources: Sources): { readonly sources: Sources; files(): ConfigFiles } {
  const files: Record<string, FileText | null> = {};
  return {
    sources: { ...sources, readFile: (path) => files[path] = sources.readFile(path) },
    files: () => ({ ...files }),
  };
}

/** Files as another process read them; the environment and the clock are those of this one. */
export function givenSources(files: ConfigFiles, world: Pick<Sources, "env" | "now">): Sources {
  return { ...world, readFile: (path) => files[path] ?? null };
}
