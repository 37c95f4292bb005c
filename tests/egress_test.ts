import assert from "node:assert/strict";
import { type EgressRules, parsePrivateGrant, permits } from "@/core/egress.ts";
import { type EgressAnswer, EgressClient, type ResolveHost } from "@/core/egress_client.ts";
import {
  closedPort,
  hang,
  noAnswer,
  oversized,
  redirect,
  reply,
  startUpstream,
} from "./upstream.ts";

const STRICT: EgressRules = { allowHttp: false, allowPrivate: [] };
const OPEN: EgressRules = {
  allowHttp: true,
  allowPrivate: [{ cidr: "10.20.0.0/16", port: 8443 }, { cidr: "fd00::/8", port: 443 }],
};

const WHERE: readonly (readonly [string, number, boolean, EgressRules, boolean])[] = [
  ["93.184.216.34", 443, true, STRICT, true],
  ["93.184.216.34", 8443, true, STRICT, false],
  ["93.184.216.34", 80, false, STRICT, false],
  ["93.184.216.34", 80, false, OPEN, true],
  ["93.184.216.34", 8080, false, OPEN, false],
  ["2606:4700::1", 443, true, STRICT, true],
  ["127.0.0.1", 9, false, STRICT, true],
  ["127.8.8.8", 9, true, STRICT, true],
  ["::1", 9, false, STRICT, true],
  ["::ffff:127.0.0.1", 9, false, STRICT, true],
  ["10.20.1.2", 8443, true, OPEN, true],
  ["10.20.1.2", 8443, false, OPEN, true],
  ["10.20.1.2", 443, true, OPEN, false],
  ["10.21.1.2", 8443, true, OPEN, false],
  ["10.20.1.2", 8443, true, STRICT, false],
  ["::ffff:10.20.1.2", 8443, true, OPEN, true],
  ["fd12::1", 443, true, OPEN, true],
  ["fd12::1", 444, true, OPEN, false],
  ["169.254.169.254", 80, false, OPEN, false],
  ["169.254.169.254", 443, true, OPEN, false],
  ["100.100.100.200", 443, true, OPEN, false],
  ["fd00:ec2::254", 443, true, STRICT, false],
  ["fe80::1", 443, true, OPEN, false],
  ["64:ff9b::a00:1", 443, true, OPEN, false],
  ["0.0.0.0", 443, true, OPEN, false],
  ["::", 443, true, OPEN, false],
  ["224.0.0.1", 443, true, OPEN, false],
  ["100.64.0.1", 443, true, OPEN, false],
  ["policy.example", 443, true, OPEN, false],
];

for (const [address, port, secure, rules, may] of WHERE) {
  const how = `${secure ? "https" : "http"} ${address} port ${port}`;
  const granted = rules === OPEN ? " with grants" : "";
  Deno.test(`egress ${may ? "permits" : "denies"} ${how}${granted}`, () => {
    assert.equal(permits(rules, { address, port, secure }), may);
  });
}

Deno.test("grant of private addresses names a block and one port", () => {
  assert.deepEqual(parsePrivateGrant("10.20.0.0/16:8443"), { cidr: "10.20.0.0/16", port: 8443 });
  assert.deepEqual(parsePrivateGrant("[fd00::/8]:443"), { cidr: "fd00::/8", port: 443 });
  const wrong = ["10.0.0.0/8", "10.0.0.0:80", "fd00::/8:443", "10.0.0.0/40:80", "10.0.0.0/8:0"];
  for (const text of [...wrong, "10.0.0.0/8:70000", "example.com/8:1", "[10.0.0.0]:1"]) {
    assert.equal(parsePrivateGrant(text), null, text);
  }
});

/** What a client gets that reaches this machine under every name. */
async function ask(
  url: string,
  options: { rules?: EgressRules; resolve?: ResolveHost; client?: EgressClient } = {},
): Promise<EgressAnswer> {
  const { rules = STRICT, resolve = () => Promise.resolve(["127.0.0.1"]) } = options;
  using own = new EgressClient(rules, resolve);
  return await (options.client ?? own).send({
    method: "POST",
    url,
    headers: { "content-type": "application/json" },
    body: '{"a":1}',
    maxBytes: 100,
    signal: new AbortController().signal,
  });
}

const named = (url: string, host = "policy.example") => url.replace("127.0.0.1", host);

Deno.test("egress client talks to the address that was looked up, under the name of the URL", async () => {
  await using server = await startUpstream(reply({ ok: true }));
  const answer = await ask(named(server.url) + "/decide?x=1");
  assert.deepEqual(answer, { kind: "answer", status: 200, text: '{"ok":true}', bytes: 11 });
  const [seen] = server.requests;
  assert.equal(seen?.path, "/decide?x=1");
  assert.equal(seen?.headers.get("host"), new URL(named(server.url)).host);
  assert.equal(new TextDecoder().decode(seen?.body), '{"a":1}');
});

Deno.test("egress client uses its connection again, and a new one when that has ended", async () => {
  await using server = await startUpstream([
    reply("one", { framing: "length" }),
    reply("two", { framing: "length" }),
    noAnswer("reset"),
    reply("three"),
  ]);
  using client = new EgressClient(STRICT);
  await ask(server.url, { client });
  await ask(server.url, { client });
  assert.equal(server.connections, 1);
  const third = await ask(server.url, { client });
  assert.equal(third.kind === "answer" && third.text, "three");
  assert.equal(server.connections, 2);
});

Deno.test("egress client gives redirects as they are and follows none", async () => {
  await using elsewhere = await startUpstream(reply("secret"));
  await using server = await startUpstream(redirect(elsewhere.url));
  const answer = await ask(server.url);
  assert.equal(answer.kind === "answer" && answer.status, 302);
  assert.equal(elsewhere.connections, 0);
});

Deno.test("egress client stops reading at its limit", async () => {
  await using server = await startUpstream([reply("x".repeat(100)), reply("x".repeat(101))]);
  const exact = await ask(server.url);
  assert.equal(exact.kind, "answer");
  assert.deepEqual(await ask(server.url), { kind: "too-large" });
  server.script(oversized(1 << 30));
  assert.deepEqual(await ask(server.url), { kind: "too-large" });
});

Deno.test("egress client denies a name when any of its addresses is denied, and connects to none", async () => {
  await using server = await startUpstream(reply("secret"));
  const bad = ["10.0.0.1", "169.254.169.254", "0.0.0.0", "::ffff:10.0.0.1", "not an address"];
  for (const address of bad) {
    const resolve = () => Promise.resolve(["127.0.0.1", address]);
    assert.deepEqual(await ask(named(server.url), { resolve }), { kind: "denied" }, address);
  }
  assert.equal(server.connections, 0);
});

Deno.test("egress client denies an address that stands in the URL, in any spelling", async () => {
  for (
    const host of ["10.0.0.1", "0x0a.1", "167772161", "[::ffff:10.0.0.1]", "[fe80::1]", "0.0.0.0"]
  ) {
    assert.deepEqual(await ask(`https://${host}/`, { rules: OPEN }), { kind: "denied" }, host);
  }
});

Deno.test("egress client judges each connection: a name that is bound anew leads nowhere", async () => {
  await using server = await startUpstream([
    reply("fine", { framing: "close" }),
    reply("secret"),
  ]);
  const answers = [["127.0.0.1"], ["10.0.0.1"]];
  let looked = 0;
  using client = new EgressClient(STRICT, () => Promise.resolve(answers[looked++] ?? []));
  const first = await ask(named(server.url), { client });
  assert.equal(first.kind, "answer");
  assert.deepEqual(await ask(named(server.url), { client }), { kind: "denied" });
  assert.deepEqual(await ask(named(server.url), { client }), { kind: "unreachable" });
  assert.equal(server.requests.length, 1);
});

Deno.test("egress client says unreachable of what refuses, breaks off, or has no name", async () => {
  assert.deepEqual(await ask(await closedPort()), { kind: "unreachable" });
  await using server = await startUpstream((exchange) => Promise.resolve(exchange.reset()));
  assert.deepEqual(await ask(server.url), { kind: "unreachable" });
  const resolve = () => Promise.reject(new Error("no such name"));
  assert.deepEqual(await ask(named(server.url), { resolve }), { kind: "unreachable" });
});

Deno.test("egress client ends when nobody waits any more, and the server sees it", async () => {
  await using server = await startUpstream(hang());
  using client = new EgressClient(STRICT);
  const stop = new AbortController();
  const answer = client.send({
    method: "GET",
    url: server.url,
    headers: {},
    body: null,
    maxBytes: 1,
    signal: stop.signal,
  });
  const seen = await server.request(1);
  stop.abort(new Error("enough"));
  await assert.rejects(answer, /enough/);
  assert.equal(await seen.ended, "aborted");
});
