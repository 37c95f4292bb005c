import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { DIALECTS, startTestGateway, type TestGateway } from "../gateway.ts";
import { call, type CallOptions, send } from "../gateway_client.ts";
import { recordings } from "../recordings.ts";
import {
  echo,
  framesOf,
  reply,
  sampleReply,
  sse,
  startUpstream,
  type TestUpstream,
} from "../upstream.ts";
import { gated, upToContent } from "./behaviours.ts";

/** A gateway in front of one scripted upstream. */
async function inGateway(
  body: (gateway: TestGateway, upstream: TestUpstream) => Promise<void>,
): Promise<void> {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({ upstreams: [upstream.url] });
  await body(gateway, upstream);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bodies as callers send them, and as the upstream must get them. */
const SPLICED: readonly (readonly [DialectName, string, string])[] = [
  [
    "openai-chat",
    `{"model":"fast","messages":[],"seed":12345678901234567890,"top_p":1.0}`,
    `{"model":"up-1","messages":[],"seed":12345678901234567890,"top_p":1.0}`,
  ],
  [
    "openai-chat",
    `{\r\n\t"messages" : [ { "role":"user", "content":"\\u00e9 é \\/ \\ud800" } ],\r\n\t"model"\t:\t"fast" }\r\n`,
    `{\r\n\t"messages" : [ { "role":"user", "content":"\\u00e9 é \\/ \\ud800" } ],\r\n\t"model"\t:\t"up-1" }\r\n`,
  ],
  [
    "openai-chat",
    `{"mod\\u0065l":"f\\u0061st","messages":[{"role":"user","content":"{\\"model\\":\\"fast\\"}"}]}`,
    `{"mod\\u0065l":"up-1","messages":[{"role":"user","content":"{\\"model\\":\\"fast\\"}"}]}`,
  ],
  [
    "openai-chat",
    `{"model":"fast","stream":true,"messages":[]}`,
    `{"model":"up-1","stream_options":{"include_usage":true},"stream":true,"messages":[]}`,
  ],
  [
    "openai-responses",
    `{"input":[{"model":"fast","role":"user","content":"x"}],"unknown":{"model":"fast","model":1},"model":"fast"}`,
    `{"input":[{"model":"fast","role":"user","content":"x"}],"unknown":{"model":"fast","model":1},"model":"up-1"}`,
  ],
  [
    "anthropic",
    `{"model":"fast","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"from_the_future","model":"fast"}]}],"metadata":{"user_id":"u"}}`,
    `{"model":"up-1","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"from_the_future","model":"fast"}]}],"metadata":{"user_id":"u"}}`,
  ],
  [
    "anthropic",
    `{"model":"fast","messages":[]}`,
    `{"model":"up-1","max_tokens":4096,"messages":[]}`,
  ],
];

Deno.test("gateway changes nothing of a body but what it must", async (t) => {
  await inGateway(async (gateway, upstream) => {
    for (const [dialect, sent, expected] of SPLICED) {
      await t.step(`${dialect} ${sent.slice(0, 40)}`, async () => {
        const count = upstream.requests.length;
        for (const raw of [sent, new Blob([sent]).stream()]) {
          await call(gateway.url, dialect, { raw });
        }
        const got = upstream.requests.slice(count).map(({ body }) => decoder.decode(body));
        assert.deepEqual(got, [expected, expected]);
      });
    }
  });
});

Deno.test("gateway passes large bodies whole, the same in every process", async () => {
  const image = `data:image/png;base64,${"iVBOR".repeat(200_000)}`;
  const content = [{ type: "image_url", image_url: { url: image } }];
  const raw = JSON.stringify({ messages: [{ role: "user", content }], model: "fast" });
  const bodies: Uint8Array[] = [];
  for (let run = 0; run < 2; run++) {
    await inGateway(async (gateway, upstream) => {
      assert.equal((await call(gateway.url, "openai-chat", { raw })).status, 200);
      bodies.push(upstream.requests[0]!.body);
    });
  }
  const expected = encoder.encode(raw.replace('"model":"fast"', '"model":"up-1"'));
  for (const body of bodies) assert.deepEqual(body, expected);
});

for (const dialect of DIALECTS) {
  Deno.test(`gateway relays recorded ${dialect} replies byte for byte`, async (t) => {
    await inGateway(async (gateway, upstream) => {
      for (const { name, reply: bytes, streamed } of replies(dialect)) {
        await t.step(name, async () => {
          for (const chunkBytes of [bytes.length, 997, 1]) {
            upstream.script(
              streamed ? sse(bytes, { chunkBytes }) : reply(bytes, { chunkBytes }),
            );
            const answer = await call(gateway.url, dialect, recordingCall(dialect, streamed));
            assert.equal(answer.status, 200);
            assert.deepEqual(answer.bytes, bytes);
          }
        });
      }
      const rows = gateway.rows();
      assert.equal(new Set(rows.map(({ request_id }) => request_id)).size, rows.length);
    });
  });

  Deno.test(`gateway relays odd but legal ${dialect} streams as they are`, async (t) => {
    const plain = decoder.decode(await sampleReply(dialect, { stream: true }));
    await inGateway(async (gateway, upstream) => {
      for (const [name, text] of oddStreams(plain)) {
        await t.step(name, async () => {
          for (const chunkBytes of [1, 3, text.length * 4]) {
            upstream.script(sse(text, { chunkBytes }));
            const answer = await call(gateway.url, dialect, recordingCall(dialect, true));
            assert.deepEqual(answer.bytes, encoder.encode(text));
            const row = gateway.rows().at(-1);
            assert.deepEqual(
              [row?.["request_id"], row?.["status"], row?.["input_tokens"], row?.["output_tokens"]],
              [answer.id, 200, 4, 4],
            );
          }
        });
      }
    });
  });

  Deno.test(`gateway hands on the first ${dialect} frame before the next one is sent`, async () => {
    const stream = await sampleReply(dialect, { stream: true });
    const begun = upToContent(stream);
    const seen = Promise.withResolvers<void>();
    await inGateway(async (gateway, upstream) => {
      upstream.script(gated(stream, encoder.encode(begun).length, seen.promise));
      const response = await send(gateway.url, dialect, { stream: true });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      while (!text.includes("hello")) text += (await reader.read()).value ?? "";
      assert(!text.includes("wide"));
      seen.resolve();
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        text += next.value;
      }
      assert.equal(text, decoder.decode(stream));
    });
  });
}

/** How a stream says that it is complete. */
const ENDS: Readonly<Record<DialectName, RegExp>> = {
  "openai-chat": /\[DONE\]\n\n/,
  "openai-responses": /event: response\.completed\n.*\n\n/,
  "anthropic": /event: message_stop\n.*\n\n/,
};

for (const dialect of DIALECTS) {
  Deno.test(`${dialect} call is in the journal before its caller sees its end`, async () => {
    const stream = await sampleReply(dialect, { stream: true });
    const release = Promise.withResolvers<void>();
    await inGateway(async (gateway, upstream) => {
      upstream.script(gated(stream, stream.length, release.promise));
      const response = await send(gateway.url, dialect, { stream: true });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      while (!ENDS[dialect].test(text)) text += (await reader.read()).value ?? "";
      assert.deepEqual(gateway.rows().map(({ status }) => status), [200]);
      release.resolve();
      assert.equal((await reader.read()).done, true);
      assert.equal(gateway.rows().length, 1);
    });
  });
}

/** Recordings of replies; a stream that opens with an error is none. */
function replies(dialect: DialectName) {
  return recordings(dialect).filter(({ name }) => name !== "error_event");
}

/** An ordinary call that gets whatever the upstream is scripted to say. */
function recordingCall(dialect: DialectName, stream: boolean): CallOptions {
  const usage = dialect === "openai-chat" && stream
    ? { stream_options: { include_usage: true } }
    : {};
  return { stream, body: usage };
}

/** The same events, spelled in other ways that the format of event streams allows. */
function oddStreams(plain: string): readonly (readonly [string, string])[] {
  return [
    ["lines that end in CRLF", plain.replaceAll("\n", "\r\n")],
    ["lines that end in CR", plain.replaceAll("\n", "\r")],
    ["a byte order mark", `\ufeff${plain}`],
    ["comments between frames", plain.replaceAll("\n\n", "\n\n: keep-alive é 😀\n\n")],
    ["comments inside frames", plain.replaceAll("data: ", ":\ndata: ")],
    ["ids and retry times", plain.replaceAll("data: ", "id: 7\nretry: 10\ndata: ")],
    ["no space after the colon", plain.replaceAll("data: ", "data:")],
    ["data of several lines", plain.replaceAll("data: {", "data: {\ndata: ")],
    ["blank lines in between", plain.replaceAll("\n\n", "\n\n\n\n")],
    ["text beyond the first plane", plain.replaceAll("wide", "wide 😀 𝄞 é")],
    ["a last frame without a blank line", plain.replace(/\n\n$/, "")],
    ["a last frame with one line end", plain.replace(/\n\n$/, "\n")],
  ];
}

Deno.test("gateway withholds the usage frame that only it asked for", async (t) => {
  const stream = decoder.decode(await sampleReply("openai-chat", { stream: true }));
  const usage = framesOf(encoder.encode(stream)).find((frame) => frame.includes('"choices":[]'))!;
  const asked = { stream_options: { include_usage: true } };
  const cases = [
    ["not asked for", {}, false],
    ["refused", { stream_options: { include_usage: false } }, false],
    ["asked for", asked, true],
  ] as const;
  await inGateway(async (gateway, upstream) => {
    for (const [name, options, visible] of cases) {
      for (const chunkBytes of [1, stream.length]) {
        await t.step(`${name}, ${chunkBytes} bytes at a time`, async () => {
          upstream.script(sse(stream, { chunkBytes }));
          const body = { stream_options: undefined, ...options };
          const answer = await call(gateway.url, "openai-chat", { stream: true, body });
          assert.equal(answer.text, visible ? stream : stream.replace(usage, ""));
          assert.deepEqual(
            upstream.requests.at(-1)?.json()["stream_options"],
            asked.stream_options,
          );
          assert.equal(gateway.rows().at(-1)?.["output_tokens"], 4);
        });
      }
    }
  });
});

Deno.test("gateway hands on only what belongs to the caller of an upstream's headers", async () => {
  await inGateway(async (gateway, upstream) => {
    const headers = { "set-cookie": "a=b", "openai-organization": "org", "x-request-id": "theirs" };
    upstream.script(reply(await sampleReply("openai-chat"), { headers, status: 201 }));
    const answer = await call(gateway.url, "openai-chat");
    assert.equal(answer.status, 201);
    assert.match(answer.id, /^req_/);
    const strangers = [...answer.headers.keys()].filter((name) =>
      !/^(content-(type|length)|date|vary|x-request-id|x-router-[a-z-]+)$/.test(name)
    );
    assert.deepEqual(strangers, []);
    const [row] = await gateway.settled(1);
    assert.equal(row?.["request_attempts"][0].upstream_request_id, "theirs");
  });
});

Deno.test("gateway sends on of a query only what its dialect knows", async () => {
  await inGateway(async (gateway, upstream) => {
    await call(gateway.url, "anthropic", { path: "/v1/messages?beta=true&key=secret" });
    await call(gateway.url, "anthropic", { path: "/anthropic/v1/messages?beta=1" });
    await call(gateway.url, "openai-chat", { path: "/v1/chat/completions?beta=true" });
    const paths = upstream.requests.map(({ path }) => path);
    assert.deepEqual(paths, ["/v1/messages?beta=true", "/v1/messages", "/v1/chat/completions"]);
  });
});

/** A Responses body as sent to the Chat path, and as its provider gets it. */
const TOLERATED: readonly (readonly [string, string])[] = [
  [
    `{"model":"fast","input":"hi","reasoning":{"effort":"high"}}`,
    `{"model":"up-1","input":"hi","reasoning":{"effort":"high"}}`,
  ],
  [
    `{"input":"hi","text":{"verbosity":"low"},"model":"fast","response_format":{"json_schema":{"schema":{"const":9007199254740993}, "name":"n"},"type":"json_schema"}}`,
    `{"input":"hi","text":{"format":{"type":"json_schema","schema":{"const":9007199254740993},"name":"n"},"verbosity":"low"},"model":"up-1"}`,
  ],
  [
    `{"input":"hi","model":"fast","response_format":{"type":"json_object"}}`,
    `{"input":"hi","model":"up-1","text":{"format":{"type":"json_object"}}}`,
  ],
];

Deno.test("gateway takes a Responses body on the Chat path as what it is, where told to", async () => {
  await using upstream = await startUpstream(echo("echo"));
  await using gateway = await startTestGateway({
    upstreams: [upstream.url],
    server: { openai_compatibility: { tolerate_responses_body_on_chat_endpoint: true } },
  });
  for (const [raw, expected] of TOLERATED) {
    const answer = await call(gateway.url, "openai-chat", { raw });
    assert.equal(answer.json()["object"], "response");
    const got = upstream.requests.at(-1)!;
    assert.deepEqual([got.path, decoder.decode(got.body)], ["/v1/responses", expected]);
  }
  const chat = await call(gateway.url, "openai-chat");
  assert.equal(chat.json()["object"], "chat.completion");
  const refused = await call(gateway.url, "openai-chat", {
    raw: `{"model":"fast","input":"hi","store":false}`,
  });
  assert.deepEqual(
    [refused.status, refused.json()["error"]["type"]],
    [400, "responses-body-field-unsupported"],
  );
  const dialects = gateway.rows().map((row) => row["inbound_dialect"]);
  assert.deepEqual(dialects, [
    "openai-responses",
    "openai-responses",
    "openai-responses",
    "openai-chat",
    "openai-chat",
  ]);
});
