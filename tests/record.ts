import { Command, Option } from "commander";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import { readWire } from "@/core/scan.ts";
import { editMembers, splice } from "@/core/splice.ts";
import { dialects } from "@/dialects/mod.ts";
import { DIALECT_FOLDERS } from "./recordings.ts";

/** Where the real providers are, and the variables that hold their keys. */
const PROVIDERS: Readonly<Record<DialectName, { readonly url: string; readonly key: string }>> = {
  "anthropic": { url: "https://api.anthropic.com", key: "ANTHROPIC_API_KEY" },
  "openai-chat": { url: "https://api.openai.com/v1", key: "OPENAI_API_KEY" },
  "openai-responses": { url: "https://api.openai.com/v1", key: "OPENAI_API_KEY" },
};

interface Recorder {
  readonly dialect: DialectName;
  readonly model: string;
  readonly baseUrl: string;
  readonly apiKey: string;
  /** The folder of the recording; it holds `request.json` already. */
  readonly folder: URL;
}

/**
 * Sends the request of a recording to a provider, and keeps what it says: the body as it came, and in
 * `source.json` where it is from. The key goes into no file.
 *
 * @throws {Error} when the provider answers with an error
 */
export async function record({ dialect: name, model, baseUrl, apiKey, folder }: Recorder) {
  const dialect = dialects.get(name);
  const wire = readWire(await Deno.readFile(new URL("request.json", folder)));
  const edit = editMembers(wire.bytes, wire.members);
  edit.set("model", JSON.stringify(model), "model");
  const url = dialect.upstreamUrl(baseUrl, "");
  const credential: Record<string, string> = dialect.authScheme === "bearer"
    ? { authorization: `Bearer ${apiKey}` }
    : { [dialect.authScheme]: apiKey };
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...dialect.upstreamHeaders(new Headers()),
      ...credential,
    },
    body: splice(wire.bytes, edit.list()),
  });
  const bytes = await response.bytes();
  if (!response.ok) throw new Error(`Cannot record ${folder.pathname}: HTTP ${response.status}`);
  const streamed = response.headers.get("content-type")?.startsWith("text/event-stream");
  const file = streamed ? "response.sse" : "response.json";
  await Deno.writeFile(new URL(file, folder), bytes);
  const day = new Date().toISOString().slice(0, 10);
  const source = { origin: `recorded on ${day} from ${model}`, url: new URL(url).origin };
  await Deno.writeTextFile(new URL("source.json", folder), `${JSON.stringify(source, null, 2)}\n`);
  return file;
}

if (import.meta.main) {
  await new Command("record")
    .description("Replaces the reply of a recording by what a real provider says to its request")
    .addOption(
      new Option("--dialect <name>", "wire format").choices([...DIALECT_NAMES])
        .makeOptionMandatory(),
    )
    .requiredOption("--case <name>", "folder below tests/fixtures/<dialect>")
    .requiredOption("--model <id>", "upstream id to ask")
    .option("--base-url <url>", "another provider of the dialect")
    .action(async (options) => {
      // The option takes nothing else.
      const name: DialectName = options.dialect;
      const provider = PROVIDERS[name];
      const apiKey = Deno.env.get(provider.key) ?? "";
      if (apiKey === "") {
        throw new Error(`Cannot record: put the provider's key into ${provider.key}`);
      }
      const path = `./fixtures/${DIALECT_FOLDERS[name]}/${options.case}/`;
      const folder = new URL(path, import.meta.url);
      const baseUrl: string = options.baseUrl ?? provider.url;
      const file = await record({ dialect: name, model: options.model, baseUrl, apiKey, folder });
      console.log(`${path}${file} is recorded; look at it, then run deno task golden`);
    })
    .parseAsync();
}
