import assert from "node:assert/strict";
import { addressColumns, clientAddress } from "@/core/client_ip.ts";
import type { ClientIpSettings } from "@/core/snapshot.ts";

const SETTINGS: ClientIpSettings = {
  trustedProxyCidrs: ["10.0.0.0/8", "fd00::/8"],
  headerOrder: ["x-forwarded-for", "x-real-ip"],
  storeIp: true,
};

interface Case {
  readonly name: string;
  readonly peer: string;
  readonly headers: Record<string, string>;
  readonly address: string | null;
  readonly settings?: Partial<ClientIpSettings>;
}

const PROXY = "10.1.2.3";

const CASES: readonly Case[] = [
  {
    name: "without proxies is the peer's",
    peer: "198.51.100.7",
    headers: {},
    address: "198.51.100.7",
  },
  {
    name: "is the peer's when the peer is no trusted proxy",
    peer: "198.51.100.7",
    headers: { "x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9" },
    address: "198.51.100.7",
  },
  {
    name: "is the peer's when no proxy is trusted",
    peer: PROXY,
    headers: { "x-forwarded-for": "203.0.113.9" },
    address: PROXY,
    settings: { trustedProxyCidrs: [] },
  },
  {
    name: "comes from the header of a trusted proxy",
    peer: PROXY,
    headers: { "x-forwarded-for": "203.0.113.9" },
    address: "203.0.113.9",
  },
  {
    name: "is the last one that is no trusted proxy",
    peer: PROXY,
    headers: { "x-forwarded-for": "192.0.2.66, 203.0.113.9, 10.9.9.9" },
    address: "203.0.113.9",
  },
  {
    name: "is not what stands before a hop that is no address",
    peer: PROXY,
    headers: { "x-forwarded-for": "192.0.2.66, unknown", "x-real-ip": "203.0.113.9" },
    address: "203.0.113.9",
  },
  {
    name: "is the proxy's when every hop is a trusted proxy",
    peer: PROXY,
    headers: { "x-forwarded-for": "10.0.0.1, 10.0.0.2" },
    address: PROXY,
  },
  {
    name: "is the proxy's when the headers hold no address",
    peer: PROXY,
    headers: { "x-forwarded-for": "unknown", "x-real-ip": "" },
    address: PROXY,
  },
  {
    name: "comes from the first header of the order that has one",
    peer: PROXY,
    headers: { "x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.1" },
    address: "203.0.113.1",
    settings: { headerOrder: ["x-real-ip", "x-forwarded-for"] },
  },
  {
    name: "ignores headers that are not in the order",
    peer: PROXY,
    headers: { "x-forwarded-for": "203.0.113.9" },
    address: PROXY,
    settings: { headerOrder: ["x-real-ip"] },
  },
  {
    name: "may be IPv6, and so may the proxy",
    peer: "fd00::1",
    headers: { "x-forwarded-for": "2001:db8::7, fd12::1" },
    address: "2001:db8::7",
  },
  {
    name: "is trusted of a proxy in its IPv6 form",
    peer: "::ffff:10.1.2.3",
    headers: { "x-forwarded-for": "203.0.113.9" },
    address: "203.0.113.9",
  },
  {
    name: "is the peer's when the peer is no address",
    peer: "",
    headers: { "x-forwarded-for": "203.0.113.9" },
    address: "",
  },
  {
    name: "is not stored when that is off",
    peer: "198.51.100.7",
    headers: {},
    address: null,
    settings: { storeIp: false },
  },
];

for (const { name, peer, headers, address, settings } of CASES) {
  Deno.test(`caller's address ${name}`, () => {
    const found = clientAddress(new Headers(headers), peer, { ...SETTINGS, ...settings });
    assert.equal(found, address);
  });
}

const PLACES: readonly (readonly [address: string, peer: string, said: string])[] = [
  ["10.1.2.3", "10.1.2.3", "peer 4 private"],
  ["fd00::1", "10.1.2.3", "forwarded 6 trusted_proxy private"],
  ["127.0.0.1", "127.0.0.1", "peer 4 loopback"],
  ["240.0.0.1", "240.0.0.1", "peer 4 reserved"],
  ["8.8.8.8", "10.1.2.3", "forwarded 4 trusted_proxy"],
];

for (const [address, peer, said] of PLACES) {
  Deno.test(`a stranger at ${address} behind ${peer} is told as ${said}`, () => {
    const row = addressColumns(address, peer);
    const flags = [
      row["trusted_proxy_applied"] && "trusted_proxy",
      row["request_is_private"] && "private",
      row["request_is_loopback"] && "loopback",
      row["request_is_reserved"] && "reserved",
    ];
    const words = [row["ip_source"], row["ip_version"], ...flags.filter(Boolean)];
    assert.equal(words.join(" "), said);
    assert.equal(row["ip_address"], address);
  });
}

Deno.test("a stranger whose address is not kept has none of its columns", () => {
  assert.deepEqual(addressColumns(null, "10.1.2.3"), {});
});
