import assert from "node:assert/strict";
import { join } from "node:path";
import {
  CALL_PATH,
  caller,
  DIALECTS,
  journalRows,
  type Loose,
  providerName,
  TOKEN,
} from "../gateway.ts";
import { type Answer, call, send } from "../gateway_client.ts";
import { type GatewayProcess, makeFolder, spawnGateway } from "../gateway_process.ts";
import { type Collector, startCollector } from "../otlp_collector.ts";
import {
  type Behaviour,
  errorEvent,
  errorReply,
  hang,
  html,
  partial,
  reply,
  sampleReply,
  startUpstream,
  type TestUpstream,
} from "../upstream.ts";
import { upToContent } from "./behaviours.ts";
import { canary, conversation, formsOf, HEADERS, PLANTED, STRANGER } from "./canary_inputs.ts";

type Dialect = (typeof DIALECTS)[number];

/** A configuration whose secrets come from the environment. */
const secretConfig = (url: string) => ({
  upstreams: [],
  server: {
    upstream: { max_response_bytes: 100_000 },
    logging: { level: "debug" },
    metrics: { caller_label: true },
  },
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
    targets: DIALECTS.map((dialect) => ({
      provider: providerName(1, dialect),
      model: "up-1",
      tool_support: { [dialect]: ["tools"] },
      input_modalities: ["text", "image"],
    })),
  },
  callers: [caller("ci", TOKEN, { metrics_admin: true })],
});

for (const tracing of [false, true]) {
  const where = tracing
    ? "file, log, row, metric, error or span"
    : "file, log, row, metric or error";
  Deno.test(`secrets and content appear in no ${where}`, async () => {
    await using upstream = await startUpstream();
    await using collector = startCollector();
    await using folder = await makeFolder(secretConfig(upstream.url));
    const secrets = { CANARY_KEY: canary("key"), CANARY_HEADER: canary("header") };
    const env = { ...secrets, ...(tracing ? collector.env : {}) };
    const outputs: string[] = [];
    for (const end of ["SIGKILL", "SIGTERM"] as const) {
      await using gateway = await spawnGateway(folder.dir, { env });
      for (const dialect of DIALECTS) await allCalls(gateway, upstream, dialect);
      assertFree("the metrics", await metricsOf(gateway));
      gateway.kill(end);
      await gateway.ended;
      outputs.push(gateway.output());
    }
    const sent = upstream.requests.map(({ headers }) => headers.get("x-secret"));
    assert(sent.every((value) => value === canary("header")), "the secrets were in use");
    const rows = journalRows(folder.dir).length;
    const made = 2 * 3 * (20 + 5 + 1);
    assert(rows === made || rows === made - 1, "all but the last call before the kill have theirs");
    assertFree("the output", outputs.join("\n"));
    await assertFilesFree(folder.dir);
    assert.equal(collector.spans.length > 0, tracing);
    assertFree("the traces", JSON.stringify(collector.payloads, withoutRequestLine));
    assertOwnSpansFree(collector);
  });
}

/** What may happen to a call, at an upstream that says a canary wherever it can. */
async function behavioursOf(dialect: Dialect, stream: boolean): Promise<readonly Behaviour[]> {
  const said = await sampleReply(dialect, { stream, text: canary("reply") });
  const contentType = stream ? "text/event-stream" : "application/json";
  const fault = { message: canary("fault"), code: canary("fault") };
  const headers = { "x-request-id": `${canary("fault")}/`, "set-cookie": canary("cookie") };
  return [
    reply(said, { contentType, headers }),
    reply(inNames(said), { contentType }),
    reply(said.slice(0, said.length >> 1), { contentType }),
    errorReply(dialect, 400, fault),
    errorReply(dialect, 500, fault),
    errorReply(dialect, 401, fault),
    errorReply(dialect, 429, fault),
    stream ? errorEvent(dialect, upToContent(said), fault) : partial(said.slice(0, 99), "reset"),
    html(500),
    hang(),
  ];
}

/** A reply that says a text where a name is expected. */
function inNames(reply: Uint8Array): string {
  return new TextDecoder().decode(reply)
    .replaceAll(/"(finish_reason|stop_reason)":"\w+"/g, `"$1":"${canary("fault")}"`)
    .replaceAll(/"model":"[^"]*"/g, `"model":"${canary("fault")}, says the model"`);
}

async function allCalls(
  { url }: GatewayProcess,
  upstream: TestUpstream,
  dialect: Dialect,
): Promise<void> {
  const body = conversation(dialect);
  for (const stream of [false, true]) {
    for (const behaviour of await behavioursOf(dialect, stream)) {
      upstream.script(behaviour);
      const answer = await call(url, dialect, { stream, body, headers: HEADERS });
      if (answer.status !== 200) assertFree("an error", bodyAndHeaders(answer));
    }
  }
  await badCalls(url, dialect);
  upstream.script(hang());
  const leave = new AbortController();
  const left = send(url, dialect, { body, headers: HEADERS, signal: leave.signal }).catch(() => {});
  await upstream.request(upstream.requests.length + 1);
  leave.abort();
  await left;
}

/** Calls that are refused, each with something in it that is nobody's business. */
async function badCalls(url: string, dialect: Dialect): Promise<void> {
  const make = (options: Parameters<typeof call>[2]) => call(url, dialect, options);
  await make({ raw: `{"model":"fast","messages":"${canary("prompt")}` });
  await make({ raw: `{"model":"fast","${canary("schema")}":1,"${canary("schema")}":2}` });
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
  await (await fetch(`${url}${CALL_PATH[dialect]}`, { method: canary("method") })).body?.cancel();
}

async function metricsOf({ url }: GatewayProcess): Promise<string> {
  const headers = { "authorization": `Bearer ${TOKEN}` };
  const response = await fetch(`${url}/metrics`, { headers });
  assert.equal(response.status, 200);
  return await response.text();
}

const bodyAndHeaders = ({ text, headers }: Answer) => text + JSON.stringify([...headers]);

/** Deno's own spans and metrics hold the request line as it came; nothing else may. */
function withoutRequestLine(_key: string, value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.filter((item: Loose) => !REQUEST_LINE.test(String(item?.["key"])));
}

const REQUEST_LINE = /^(?:http\.request\.method|url\.(?:full|path|query))$/;

function assertOwnSpansFree({ spans }: Collector): void {
  const own = spans.filter(({ scope }) => scope === "pointsman");
  assertFree("our spans", JSON.stringify(own, (_, value) => typeof value === "bigint" ? 0 : value));
}

const FORMS = PLANTED.map((planted) => [planted, formsOf(planted)] as const);

function assertFree(where: string, text: string, but: readonly string[] = []): void {
  for (const [planted, forms] of FORMS) {
    if (but.includes(planted)) continue;
    for (const form of forms) assert(!text.includes(form), `${planted} is in ${where} as ${form}`);
  }
}

/** Only the configuration knows a token, by its hash. */
async function assertFilesFree(folder: string): Promise<void> {
  for await (const path of filesOf(folder)) {
    const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
    assertFree(path, text, path.endsWith("config.yaml") ? [PLANTED[1]!] : []);
  }
}

async function* filesOf(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* filesOf(path);
    else yield path;
  }
}
