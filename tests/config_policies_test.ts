import assert from "node:assert/strict";
import { loadConfig } from "@/core/config/load.ts";
import { formatProblem } from "@/core/config/problem.ts";
import { strategies } from "@/strategies/mod.ts";
import { BASE, parts, sources } from "./config_support.ts";

/** `BASE` with a group whose strategy asks a server; its keys begin in line 4. */
const asking = (keys: string) =>
  BASE.replace("targets:", `strategy: external, external_policy: { ${keys} }, targets:`);
const scripted = (keys: string) =>
  BASE.replace("targets:", `strategy: script, script: a.ts, ${keys}, targets:`);

const URL_OK = "url: https://policy.example/decide";
const OK = `${URL_OK}, allow_hosts: [policy.example]`;

/** What is written, and what is said of it; nothing: it is taken. */
const CASES: readonly (readonly [string, string, readonly RegExp[]])[] = [
  ["a policy", asking(OK), []],
  ["a policy on this machine", asking("url: http://localhost:1/, allow_hosts: [localhost]"), []],
  ["a policy on a loopback address", asking('url: "http://[::1]:1/", allow_hosts: ["[::1]"]'), []],
  ["no block", BASE.replace("targets:", "strategy: external, targets:"), [
    /missing key "external_policy"/,
  ]],
  ["a block that nobody reads", BASE.replace("targets:", `external_policy: { ${OK} }, targets:`), [
    /external_policy: strategy "weighted" does not read it; "external" does/,
  ]],
  ["no URL", asking("allow_hosts: [a]"), [/missing key "url"/]],
  ["another host", asking(`${URL_OK}, allow_hosts: [other.example]`), [
    /external_policy\.url: host "policy\.example" is not in "allow_hosts"/,
  ]],
  ["another host for feedback", asking(`${OK}, feedback: { url: "https://b.example/f" }`), [
    /feedback\.url: host "b\.example" is not in "allow_hosts"/,
  ]],
  ["plain HTTP", asking("url: http://policy.example/, allow_hosts: [policy.example]"), [
    /plain HTTP would leave this machine; use https, or set "allow_http"/,
  ]],
  [
    "plain HTTP that is allowed",
    asking("url: http://policy.example/, allow_hosts: [policy.example], allow_http: true"),
    [],
  ],
  ["a URL with a user", asking('url: "https://u@policy.example/", allow_hosts: [policy.example]'), [
    /expected a URL such as "https:\/\/policy\.example\/decide"/,
  ]],
  ["a grant without a port", asking(`${OK}, allow_private: ["10.0.0.0/8"]`), [
    /allow_private\[0\]: expected "10\.20\.0\.0\/16:8443" or/,
  ]],
  ["a header of ours", asking(`${OK}, headers: { X-Request-Id: a, Host: b }`), [
    /headers\.X-Request-Id: this header is set by the gateway/,
    /headers\.Host: this header is set by the gateway/,
  ]],
  ["a header no wire can carry", asking(`${OK}, headers: { x-a: "hunter2\\n" }`), [
    /headers\.x-a: expected a header value$/,
  ]],
  [
    "two shadows",
    asking(`${OK}, mode: shadow`).replace("targets:", `shadow: { external: { ${OK} } }, targets:`),
    [
      /shadow: the group.s own policy is its shadow/,
    ],
  ],
  ["too much time", asking(`${OK}, timeout_ms: 5001`), [/expected a whole number from 1 to 5000/]],
  ["a place of a script", scripted('script_permissions: { net: ["a.example:443"] }'), []],
  ["a place without a port", scripted("script_permissions: { net: [a.example] }"), [
    /net\[0\]: expected a host in lower case and a port/,
  ]],
  ["a header of ours for a script", scripted("script_http: { headers: { Upgrade: a } }"), [
    /script_http\.headers\.Upgrade: this header is set by the gateway/,
  ]],
];

for (const [name, yaml, expected] of CASES) {
  Deno.test(`config ${expected.length === 0 ? "takes" : "refuses"} ${name}`, () => {
    const loaded = loadConfig("config.yaml", sources(yaml), { ...parts, strategies });
    const found = loaded.problems.map(formatProblem);
    assert.equal(found.length, expected.length, found.join("\n"));
    expected.forEach((pattern, index) => assert.match(found[index] ?? "", pattern));
    assert.doesNotMatch(found.join("\n"), /hunter2/);
  });
}
