import { parse } from "yaml";
import { objectOrEmpty } from "@/core/json.ts";
import { objectsOf } from "@/plugins/echo/ask.ts";
import { type ConfigTree, TOKEN } from "../gateway.ts";

/** Where the pages say the gateway is. */
const ADDRESS = "http://127.0.0.1:8080";

/** A page of `docs/clients/`. */
export function pageText(page: string): string {
  return Deno.readTextFileSync(new URL(`../../docs/clients/${page}`, import.meta.url));
}

/** The blocks of a language on a page of `docs/clients/`, in order. */
export function blocksOf(page: string, language: string): readonly string[] {
  const blocks = pageText(page).matchAll(
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"),
  );
  return [...blocks].map(([, block]) => block!);
}

/** A block with the gateway of a test in place of the one the page speaks of. */
export function at(url: string, block: string): string {
  return block.replaceAll(ADDRESS, url).replaceAll("rtr_...", TOKEN);
}

/** What a page says of a target, whoever provides it. */
export function targetOn(page: string): ConfigTree {
  const [yaml] = blocksOf(page, "yaml");
  const group = objectOrEmpty(objectOrEmpty(parse(yaml ?? "")["models"])["fast"]);
  const { provider: _provider, model: _model, ...target } = objectsOf(group["targets"])[0]!;
  return target;
}

/** Variables that a block exports. */
export function exportsOf(block: string): Readonly<Record<string, string>> {
  const lines = block.matchAll(/^export (\w+)=(\S+)/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name!, value!]));
}
