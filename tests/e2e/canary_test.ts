import assert from "node:assert/strict";
import { join } from "node:path";
import { caller, DIALECTS, journalRows, providerName, TOKEN } from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { makeFolder, spawnGateway } from "../gateway_process.ts";
import { errorReply, hang, html, reply, sampleReply, startUpstream } from "../upstream.ts";

/** A string that is found again wherever it went. */
const canary = (name: string) => `canary-${name}-7f3a9c51e2`;

const STRANGER = `rtr_${canary("stranger")}_0123456789`;
const PLANTED = [
  TOKEN,
  STRANGER,
  ...[
    "key",
    "header",
    "prompt",
    "reply",
    "fault",
    "cookie",
    "group",
    "tool",
    "image",
    "query",
    "path",
    "agent",
    "method",
  ].map(canary),
];

/** A configuration whose secrets come from the environment. */
const secretConfig = (url: string) => ({
  upstreams: [],
  server: { upstream: { max_response_bytes: 100_000 }, logging: { level: "debug" } },
  providers: Object.fromEntries(
    DIALECTS.map((dialect) => [providerName(1, dialect), {
      base_url: dialect === "anthropic" ? url : `${url}/v1`,
      dialect,
      api_key: "${CANARY_KEY}",
      headers: { "x-secret": "${CANARY_HEADER}" },
    }]),
  ),
  group: {
    attempt_timeout_ms: 200,
    targets: DIALECTS.map((dialect) => ({ provider: providerName(1, dialect), model: "up-1" })),
  },
  callers: [caller("ci", TOKEN)],
});

Deno.test("secrets and content appear in no file, log or row", async () => {
  await using upstream = await startUpstream();
  await using folder = await makeFolder(secretConfig(upstream.url));
  const env = { CANARY_KEY: canary("key"), CANARY_HEADER: canary("header") };
  let output = "";
  {
    await using gateway = await spawnGateway(folder.dir, { env });
    for (const dialect of DIALECTS) {
      const text = canary("prompt");
      for (const stream of [false, true]) {
        const said = await sampleReply(dialect, { stream, text: canary("reply") });
        const contentType = stream ? "text/event-stream" : "application/json";
        const fault = { message: canary("fault"), code: canary("fault") };
        for (
          const behaviour of [
            reply(said, { contentType, headers: { "x-request-id": `${canary("fault")}/` } }),
            reply(said.slice(0, said.length >> 1), { contentType }),
            errorReply(dialect, 400, fault),
            errorReply(dialect, 500, fault),
            errorReply(dialect, 401, fault),
            html(500),
            hang(),
          ]
        ) {
          upstream.script(behaviour);
          await call(gateway.url, dialect, {
            stream,
            body: promptOf(dialect, text),
            headers: PLAIN,
          });
        }
      }
      await badCalls(gateway.url, dialect);
    }
    const sent = upstream.requests.map(({ headers }) => headers.get("x-secret"));
    assert(sent.every((value) => value === canary("header")), "the secrets were in use");
    gateway.kill("SIGTERM");
    assert.equal(await gateway.ended, 0);
    output = gateway.output();
  }
  assert.equal(journalRows(folder.dir).length, 3 * (14 + 4));
  assertFree("the output", output);
  for await (const path of filesOf(folder.dir)) {
    assertFree(path, new TextDecoder("latin1").decode(await Deno.readFile(path)));
  }
});

const PLAIN = {
  "cookie": `session=${canary("cookie")}`,
  "user-agent": canary("agent"),
  "x-request-id": `${canary("path")} with blanks`,
};

function promptOf(dialect: string, text: string): Record<string, unknown> {
  const turns = [{ role: "user", content: text }];
  return dialect === "openai-responses" ? { input: text } : { messages: turns };
}

/** Calls that are refused, each with something in it that is nobody's business. */
async function badCalls(url: string, dialect: (typeof DIALECTS)[number]): Promise<void> {
  const make = (options: Parameters<typeof call>[2]) => call(url, dialect, options);
  await make({ raw: `{"model":"fast","messages":"${canary("prompt")}` });
  await make({ body: { model: canary("group") } });
  await make({ body: { tools: [{ type: "mcp", server_url: canary("tool"), name: "x" }] } });
  const image = { type: "image_url", image_url: { url: `http://127.0.0.1/${canary("image")}` } };
  const source = { type: "url", url: `http://127.0.0.1/${canary("image")}` };
  await make({
    body: {
      messages: [{ role: "user", content: [image, { type: "image", source }] }],
      input: [{ role: "user", content: [{ type: "input_image", image_url: source.url }] }],
    },
  });
  await make({ headers: { "authorization": `Bearer ${STRANGER}`, "x-api-key": "" } });
  await make({ path: `/v1/${canary("path")}?key=${canary("query")}` });
  await (await fetch(`${url}/v1/models/${canary("path")}?x=${canary("query")}`)).body?.cancel();
  await (await fetch(`${url}/v1/messages`, { method: canary("method") })).body?.cancel();
}

function assertFree(where: string, text: string): void {
  for (const planted of PLANTED) assert(!text.includes(planted), `${planted} is in ${where}`);
}

async function* filesOf(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* filesOf(path);
    else yield path;
  }
}
