import assert from "node:assert/strict";
import { GatewayError } from "@/core/errors.ts";
import { admitImages } from "@/core/image_urls.ts";
import { nextTurn } from "@/core/wait.ts";

const PUBLIC = ["203.0.114.7", "2606:2800:220:1::1"];

/** A resolver that knows some names, and what it was asked. */
function names(known: Readonly<Record<string, readonly string[]>> = {}) {
  const asked: string[] = [];
  const resolve = (host: string) => {
    asked.push(host);
    const addresses = known[host];
    return addresses ? Promise.resolve(addresses) : Promise.reject(new Error("no such name"));
  };
  return { asked, resolve };
}

async function assertRefused(
  urls: readonly string[],
  reason: string,
  resolve: Parameters<typeof admitImages>[1] = names({ "images.example": PUBLIC }).resolve,
): Promise<void> {
  await assert.rejects(admitImages(urls, resolve), (error) => {
    assert(error instanceof GatewayError);
    assert.equal(error.type, "upstream-failed");
    assert.equal(error.status, 502);
    assert.deepEqual(error.details, {
      error_class: reason,
      reason_code: reason,
      retryable: false,
    });
    for (const url of urls) assert(url === "" || !error.message.includes(url));
    return true;
  });
}

const ADMITTED = [
  "https://images.example/a.png",
  "http://images.example:8080/a.png?size=1",
  "HTTPS://IMAGES.EXAMPLE/a.png",
  "https://203.0.114.7/a.png",
  "https://[2606:2800:220:1::1]/a.png",
  "https://[::ffff:203.0.114.7]/a.png",
  "data:image/png;base64,AAAA",
  "DATA:IMAGE/PNG;BASE64,AAAA",
  "data:image/svg+xml;charset=utf-8;base64,AAAA",
];

for (const url of ADMITTED) {
  Deno.test(`image URL ${url} is admitted`, async () => {
    await admitImages([url], names({ "images.example": PUBLIC }).resolve);
  });
}

/** Every form of URL that leads, or may lead, into a private network, or nowhere. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  "another scheme": [
    "file:///etc/passwd",
    "ftp://images.example/a.png",
    "gopher://images.example/",
    "blob:https://images.example/1",
    "javascript:alert(1)",
  ],
  "no URL": ["", "a.png", "//images.example/a.png", "https://", "http://[::1/"],
  "data that is no base64 image": [
    "data:text/html;base64,AAAA",
    "data:application/pdf;base64,AAAA",
    "data:image/svg+xml,<svg/>",
    "data:,AAAA",
  ],
  "credentials": [
    "https://user@images.example/",
    "https://user:pass@images.example/",
    "https://:pass@images.example/",
  ],
  "a private name": [
    "http://localhost/",
    "http://LOCALHOST:80/",
    "http://localhost./",
    "http://a.localhost/",
    "http://printer.local/",
    "http://metadata.google.internal/",
  ],
  "a private IPv4 address": [
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://100.64.0.1/",
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://169.254.169.254/latest/meta-data",
    "http://172.16.0.1/",
    "http://192.0.2.1/",
    "http://192.168.1.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
  ],
  "a private IPv4 address in another notation": [
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://0/",
    "http://%31%32%37.0.0.1/",
    "http://①②⑦.0.0.1/",
    "http://3232235777/",
  ],
  "a private IPv6 address": [
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[2001:db8::1]/",
    "http://[5f00::1]/",
  ],
  "an IPv6 address that embeds an IPv4 one": [
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[::a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
  ],
};

for (const [why, urls] of Object.entries(FORBIDDEN)) {
  for (const url of urls) {
    Deno.test(`image URL ${url} is forbidden: ${why}`, async () => {
      await assertRefused([url], "image_url_forbidden");
    });
  }
}

Deno.test("image URLs are all looked at", async () => {
  const urls = ["https://images.example/1", "data:image/png;base64,AA", "http://10.0.0.1/"];
  await assertRefused(urls, "image_url_forbidden");
});

const RESOLVED: readonly (readonly [string, readonly string[]])[] = [
  ["a loopback address", ["127.0.0.1"]],
  ["a private address beside a public one", ["203.0.114.7", "10.0.0.1"]],
  ["a private IPv6 address beside a public IPv4 one", ["203.0.114.7", "fd00::1"]],
  ["the metadata address", ["169.254.169.254"]],
  ["a mapped loopback address", ["::ffff:127.0.0.1"]],
  ["what is no address", ["somewhere"]],
];

for (const [what, addresses] of RESOLVED) {
  Deno.test(`image host that resolves to ${what} is forbidden`, async () => {
    const { resolve } = names({ "rebind.example": addresses });
    await assertRefused(["https://rebind.example/"], "image_url_forbidden", resolve);
  });
}

Deno.test("image host that does not resolve is a DNS failure", async () => {
  await assertRefused(["https://nowhere.example/"], "image_url_dns_failure");
});

Deno.test("image host without addresses is a DNS failure", async () => {
  const { resolve } = names({ "empty.example": [] });
  await assertRefused(["https://empty.example/"], "image_url_dns_failure", resolve);
});

Deno.test("image hosts have 500 ms in all", async () => {
  const started = performance.now();
  const never = (_host: string, signal: AbortSignal) =>
    new Promise<readonly string[]>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  const urls = ["https://slow.example/", "https://slower.example/"];
  await assertRefused(urls, "image_url_dns_timeout", never);
  const ms = performance.now() - started;
  assert(ms >= 450 && ms < 5_000, `took ${ms} ms`);
});

Deno.test("image hosts are resolved once each, and literal addresses never", async () => {
  const { asked, resolve } = names({ "a.example": PUBLIC, "b.example": PUBLIC });
  await admitImages([
    "https://a.example/1",
    "https://A.example./2",
    "https://b.example/1",
    "https://203.0.114.7/",
    "data:image/png;base64,AA",
  ], resolve);
  assert.deepEqual(asked, ["a.example", "b.example"]);
});

Deno.test("image URL that is forbidden asks no resolver", async () => {
  const { asked, resolve } = names();
  const urls = ["https://leak.example/", "http://10.0.0.1/"];
  await assertRefused(urls, "image_url_forbidden", resolve);
  assert.deepEqual(asked, []);
});

Deno.test("host names of a call are looked up a few at a time, and none after a refusal", async () => {
  const urls = Array.from({ length: 1_000 }, (_, n) => `https://h${n}.example/a.png`);
  for (const [known, most] of [[PUBLIC, 1_000], [["10.0.0.1"], 8]] as const) {
    let [asked, waiting, together] = [0, 0, 0];
    const resolve = async () => {
      asked += 1;
      together = Math.max(together, waiting += 1);
      await Promise.resolve();
      waiting -= 1;
      return known;
    };
    const admitting = admitImages(urls, resolve);
    if (known === PUBLIC) await admitting;
    else await assert.rejects(admitting, GatewayError);
    await nextTurn();
    assert(asked <= most && together <= 8, `${asked} asked, ${together} at a time`);
    if (known === PUBLIC) assert.equal(asked, 1_000);
  }
});
