import type { PolicyFault } from "@/core/policy_fault.ts";

/** What a hostile policy ends as: a fault, one of several, or `plan` when it decides all the same. */
interface HostileCase {
  readonly name: string;
  /** Body of `route(ctx)`. */
  readonly body: string;
  /** What stands before it. */
  readonly top?: string;
  readonly ends: readonly (PolicyFault | "plan")[];
  /** Whether its process must be gone afterwards; else it must be there. */
  readonly host: "lives" | "ends" | "either";
}

/** Policies that must not harm anybody, with what comes of them at a running time of 50 ms. */
export const HOSTILE: readonly HostileCase[] = [
  // Loops
  loop("an endless loop", "for (;;);"),
  loop("an endless loop of microtasks", "(async () => { for (;;) await null; })()"),
  loop("microtasks that beget microtasks", "const f = () => Promise.resolve().then(f); f()"),
  loop("a number that grows for ever", "let x = 2n; for (;;) x *= x;"),
  loop("a catastrophic expression", '/^(a+)+$/.test("a".repeat(40) + "b")'),
  loop("a getter that does not end", "return { get targetIndex() { for (;;); } }"),
  loop("a toJSON that does not end", "return { toJSON() { for (;;); } }"),
  loop("a then that does not end", "return { get then() { for (;;); } }"),
  // Memory
  eats("objects for ever", "const a = []; for (;;) a.push({ x: 1, y: [1, 2, 3] });"),
  eats("texts for ever", 'const a = []; for (;;) a.push("x".repeat(1e6) + a.length);'),
  eats("a list that doubles", "let a = [1]; for (;;) a = [...a, ...a];"),
  eats("a list filled at once", "new Array(2 ** 26).fill({})"),
  eats("a text split at once", '"x".repeat(2 ** 28).split("")'),
  eats("bytes outside the heap", "const a = []; for (;;) a.push(new Uint8Array(64e6).fill(1));"),
  {
    name: "deep recursion",
    body: "const f = () => f(); f()",
    ends: ["policy-threw", "policy-timeout", "policy-killed"],
    host: "either",
  },
  {
    name: "a million levels",
    body: "let o = {}; for (let i = 0; i < 1e6; i++) o = { o }; return o",
    ends: ["policy-output-invalid", "policy-timeout", "policy-killed", "policy-threw"],
    host: "either",
  },
  {
    // The engine looks for cycles only when its stack is full, which takes a while.
    name: "a cycle",
    body: "const a = {}; a.a = a; return a",
    ends: ["policy-output-invalid", "policy-timeout", "policy-killed"],
    host: "either",
  },
  // Output
  answers("nothing", "return undefined", "policy-output-invalid"),
  answers("a function", "return () => 1", "policy-output-invalid"),
  answers("a big integer", "return 1n", "policy-output-invalid"),
  answers("a big integer inside", "return { targetIndex: 1n }", "policy-output-invalid"),
  answers("a toJSON of nothing", "return { toJSON() {} }", "policy-output-invalid"),
  answers(
    "a getter that throws",
    "return { get targetIndex() { throw 1; } }",
    "policy-output-invalid",
  ),
  answers("a then that throws", "return { get then() { throw 1; } }", "policy-output-invalid"),
  answers(
    "a megabyte",
    'return { targetIndex: 0, classLabel: "x".repeat(1e6) }',
    "policy-output-too-large",
  ),
  answers(
    "three bytes for each character",
    'return { targetIndex: 0, classLabel: "€".repeat(30_000) }',
    "policy-output-too-large",
  ),
  answers("a plan of nothing", "return {}", "policy-plan-invalid"),
  answers("a list", "return [0]", "policy-plan-invalid"),
  answers("a target that is not there", "return { targetIndex: 99 }", "policy-ineligible-target"),
  answers("a target below zero", "return { targetIndex: -1 }", "policy-ineligible-target"),
  answers("half a target", "return { targetIndex: 0.5 }", "policy-ineligible-target"),
  answers("a promise that never settles", "return new Promise(() => {})", "policy-never-settled"),
  answers("a rejected promise", "return Promise.reject(1)", "policy-threw"),
  answers("a late error", "return (async () => { await null; throw 1; })()", "policy-threw"),
  answers("an error with a trap", "throw { get name() { throw 1; } }", "policy-threw"),
  answers(
    "a thrown proxy that does not end",
    "throw new Proxy({}, { get() { for (;;); }, has() { for (;;); }, getPrototypeOf() { for (;;); } })",
    "policy-threw",
  ),
  answers(
    "a rejection left behind",
    "Promise.reject(new Error()); return { targetIndex: 0 }",
    "plan",
  ),
  // Ways out
  answers("a polluted prototype", "Object.prototype.x = 1", "policy-threw"),
  answers("another push", "Array.prototype.push = () => 1", "policy-threw"),
  answers("another then", "Promise.prototype.then = null", "policy-threw"),
  answers("another stringify", 'JSON.stringify = () => "{}"', "policy-threw"),
  answers("a constructor's constructor", 'ctx.constructor.constructor("1")()', "policy-threw"),
  answers("Function", 'Function("return this")()', "policy-threw"),
  answers("eval", 'eval("1")', "policy-threw"),
  answers("an async function's constructor", '(async () => {}).constructor("1")()', "policy-threw"),
  answers("a generator's constructor", '(function* () {}).constructor("1")()', "policy-threw"),
  answers(
    "an async generator's constructor",
    '(async function* () {}).constructor("1")()',
    "policy-threw",
  ),
  answers("stack frames", "Error.prepareStackTrace = (_, frames) => frames", "policy-threw"),
  answers("a WebAssembly module", "new WebAssembly.Module(new Uint8Array())", "policy-threw"),
  answers("shared memory", "new SharedArrayBuffer(8)", "policy-threw"),
  answers("waiting on shared memory", "Atomics.wait(new Int32Array(1), 0, 0)", "policy-threw"),
  answers("a thread", 'new Worker("data:,")', "policy-threw"),
  answers("the environment", "Deno.env.toObject()", "policy-threw"),
  answers("a file", 'Deno.readTextFileSync("/etc/passwd")', "policy-threw"),
  answers("a program", 'new Deno.Command("true").outputSync()', "policy-threw"),
  answers("a connection", 'return fetch("http://127.0.0.1:1/")', "policy-threw"),
  answers("require", 'globalThis.require("fs")', "policy-threw"),
  answers(
    "what the platform offers",
    `const names = ["Deno", "process", "require", "fetch", "Worker", "setTimeout", "queueMicrotask",
      "Buffer", "console", "crypto", "performance", "structuredClone", "WeakRef", "Intl", "router"];
    if (names.some((name) => globalThis[name] !== undefined)) throw new Error();
    return { targetIndex: 0 }`,
    "plan",
  ),
  answers(
    "globals by the sandbox's names",
    `for (const name of ["__pointsman", "__policy", "__in", "__host"]) globalThis[name] = () => 1;
    return { targetIndex: 0 }`,
    "plan",
  ),
  answers("the sandbox's own door", "return __pointsman.open()", "policy-output-invalid"),
  answers(
    "another route through the door",
    "__pointsman.load(() => ({ route: () => ({ targetIndex: 1 }) })); return { targetIndex: 0 }",
    "plan",
  ),
];

/** Cases by the output cap of the call that asks for them. */
export const HOSTILE_BY_CAP: ReadonlyMap<number, HostileCase> = new Map(
  HOSTILE.map((hostile, index) => [1_000 + index, hostile]),
);

const caseOf = (cap: number, body: string) => `case ${cap}: { ${body}; return; }`;

/** One policy with every trick; a call chooses by its cap, and any other is decided well. */
export const HOSTILE_POLICY = `
export function route(ctx: any): any {
  switch (ctx.features.outputCap) {
    ${[...HOSTILE_BY_CAP].map(([cap, { body }]) => caseOf(cap, body)).join("\n")}
  }
  return { targetIndex: 1, fallbackIndexes: [], classLabel: "decided" };
}`;

function loop(name: string, body: string): HostileCase {
  // A busy machine may see the end of the margin before the end of the running time.
  return { name, body, ends: ["policy-timeout", "policy-killed"], host: "either" };
}

function eats(name: string, body: string): HostileCase {
  return {
    name,
    body,
    ends: ["policy-timeout", "policy-killed", "policy-oom", "policy-threw"],
    host: "either",
  };
}

function answers(name: string, body: string, end: PolicyFault | "plan"): HostileCase {
  return { name, body, ends: [end], host: "lives" };
}
