import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { record } from "./record.ts";
import { errorReply, sampleReply, sampleRequest, sse, startUpstream } from "./upstream.ts";

const KEY = "sk-provider-0123456789";

async function inFolder(body: (folder: URL) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(pathToFileURL(`${dir}/`));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a recorder keeps what a provider says, byte for byte, and no key", async () => {
  const stream = await sampleReply("anthropic", { stream: true });
  await using upstream = await startUpstream(sse(stream));
  await inFolder(async (folder) => {
    const request = sampleRequest("anthropic", { stream: true });
    await Deno.writeTextFile(new URL("request.json", folder), JSON.stringify(request));
    const options = { dialect: "anthropic", model: "m-1", baseUrl: upstream.url } as const;
    const file = await record({ ...options, apiKey: KEY, folder });
    assert.equal(file, "response.sse");
    assert.deepEqual(await Deno.readFile(new URL(file, folder)), stream);
    const [seen] = upstream.requests;
    assert.equal(seen!.headers.get("x-api-key"), KEY);
    assert.deepEqual(seen!.json(), { ...request, model: "m-1" });
    for (const { name } of Deno.readDirSync(folder)) {
      assert.doesNotMatch(await Deno.readTextFile(new URL(name, folder)), new RegExp(KEY));
    }
  });
});

Deno.test("a recorder keeps nothing of an error", async () => {
  await using upstream = await startUpstream(errorReply("openai-chat", 401));
  await inFolder(async (folder) => {
    const request = JSON.stringify(sampleRequest("openai-chat"));
    await Deno.writeTextFile(new URL("request.json", folder), request);
    const options = { dialect: "openai-chat", model: "m-1", baseUrl: upstream.url } as const;
    await assert.rejects(record({ ...options, apiKey: KEY, folder }), /HTTP 401/);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["request.json"]);
  });
});
