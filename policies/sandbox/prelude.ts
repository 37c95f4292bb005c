/** What the host holds of a realm: functions of the prelude, called with texts alone. */
export interface RealmDoors {
  /** Puts a context, as JSON, before a decision. */
  put(text: string): void;
  /** The answer, as JSON of a plan or of a fault; `null` while a promise is pending. */
  take(): string | null;
  /** Whether the answer is a plan. */
  holds(): boolean;
  /** Requests that the decision waits for, as JSON of its turn and of them; `null`: none. */
  asks(): string | null;
}

/** How a realm is made. */
export interface PreludeOptions {
  readonly maxPlanBytes: number;
  /** Whether there is `router.fetchJSON`. */
  readonly fetches: boolean;
  /** Whether faults carry the message and stack of what was thrown. */
  readonly traces: boolean;
}

/**
 * Makes a realm fit for policies; runs in it, as text, before anything else. It takes away what is
 * not deterministic or reaches out, fixes clock and randomness to the context, and freezes every
 * intrinsic.
 */
export function prelude(options: PreludeOptions) {
  "use strict";
  const { maxPlanBytes, fetches, traces } = options;
  const { parse, stringify } = JSON;
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { ownKeys } = Reflect;
  const RealDate = Date;
  const RealPromise = Promise;
  const RealError = Error;

  const KEPT =
    `Object Function Array Number parseFloat parseInt Infinity NaN undefined Boolean String
    Symbol Date Promise RegExp Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError
    URIError globalThis JSON Math ArrayBuffer Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array
    BigUint64Array BigInt64Array Uint8ClampedArray Float32Array Float64Array Float16Array DataView Map BigInt Set
    Iterator WeakMap WeakSet Proxy Reflect decodeURI decodeURIComponent encodeURI encodeURIComponent isFinite
    isNaN SuppressedError DisposableStack AsyncDisposableStack`.split(/\s+/);

  let now = 0;
  let seed = 0;
  let input = "";
  let output: string | null = null;
  let planned = false;
  let turn = 0;
  /** Of the decision that runs. */
  let active = 0;
  let loaded = false;
  let route: ((context: unknown) => unknown) | null = null;

  /** Most requests of a decision. */
  const MAX_FETCHES = 4;
  interface Waiting {
    now: number;
    seed: number;
    count: number;
    asked: unknown[];
    readonly pending: Map<number, PromiseWithResolvers<unknown>>;
  }
  /** Decisions that wait for an answer, by their turn. */
  const waiting = new Map<number, Waiting>();
  const refused = new WeakSet<object>();

  removeGlobals();
  fixMath();
  fixDate();
  removeLocales();
  RealError.stackTraceLimit = traces ? 20 : 0;
  if (fetches) grantFetch();
  freezeIntrinsics();

  function grantFetch(): void {
    const router = { fetchJSON: (url: unknown, init: unknown = {}) => fetchJson(url, init) };
    defineProperty(globalThis, "router", { value: freeze(router), configurable: true });
  }

  /** Notes a request; the promise settles when the decision is resumed. */
  function fetchJson(url: unknown, init: unknown): Promise<unknown> {
    const mine = waiting.get(active) ??
      { now, seed, count: 0, asked: [], pending: new Map<number, PromiseWithResolvers<unknown>>() };
    waiting.set(active, mine);
    if (mine.count >= MAX_FETCHES) return RealPromise.reject(refusal("policy-fetch-denied"));
    const id = mine.count++;
    const { method = "GET", headers = {}, body } = init as Record<string, unknown>;
    const names: Record<string, string> = {};
    for (const name of ownKeys(headers as object)) {
      names[String(name).toLowerCase()] = String((headers as Record<PropertyKey, unknown>)[name]);
    }
    mine.asked.push({
      id,
      url: String(url),
      method: String(method),
      headers: names,
      body: body === undefined ? null : typeof body === "string" ? body : stringify(body),
    });
    const settled = RealPromise.withResolvers<unknown>();
    mine.pending.set(id, settled);
    return settled.promise;
  }

  function refusal(name: string): Error {
    const error = new RealError(name);
    if (name === "policy-fetch-denied") refused.add(error);
    return error;
  }

  /** What was thrown; a request that is not granted has a name of its own. */
  function threw(error: unknown): void {
    const denied = typeof error === "object" && error !== null && refused.has(error);
    fault(denied ? "policy-fetch-denied" : "policy-threw", error);
  }

  /** Everything the engine or the platform adds beyond the language's deterministic part. */
  function removeGlobals(): void {
    for (const key of ownKeys(globalThis)) {
      if (typeof key === "string" && !KEPT.includes(key)) Reflect.deleteProperty(globalThis, key);
    }
  }

  /** mulberry32 on the context's seed. */
  function fixMath(): void {
    Math.random = function random(): number {
      seed = (seed + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    };
  }

  /** Time stands still at the context's `now`. */
  function fixDate(): void {
    RealDate.now = () => now;
    const fixed = new Proxy(RealDate, {
      apply: () => new RealDate(now).toString(),
      construct: (target, args, newTarget) =>
        Reflect.construct(target, args.length === 0 ? [now] : args, newTarget),
    });
    RealDate.prototype.constructor = fixed;
    globalThis.Date = fixed;
  }

  /** The locale belongs to the machine, its rules to the version of ICU. */
  function removeLocales(): void {
    const ours = [Object, Array, Number, String, BigInt, RealDate, getPrototypeOf(Uint8Array)];
    for (const { prototype } of ours) {
      for (const key of ownKeys(prototype)) {
        if (typeof key === "string" && /Locale|^locale|^normalize$/.test(key)) {
          Reflect.deleteProperty(prototype, key);
        }
      }
    }
    Reflect.deleteProperty(RealDate.prototype, "toTemporalInstant");
  }

  function freezeIntrinsics(): void {
    const found = reachable();
    const inherited = [
      Object.prototype,
      Function.prototype,
      ...[RealError, AggregateError, EvalError, RangeError, ReferenceError, SyntaxError].map((
        { prototype },
      ) => prototype),
      ...[TypeError, URIError].map(({ prototype }) => prototype),
    ];
    for (const prototype of inherited) allowOverrides(prototype);
    for (const item of found) freeze(item);
    for (const key of ownKeys(globalThis)) {
      const property = getOwnPropertyDescriptor(globalThis, key);
      if (!property?.configurable || !("value" in property)) continue;
      defineProperty(globalThis, key, { ...property, writable: false, configurable: false });
    }
  }

  /** Every object that a script can reach without making it from scratch. */
  function reachable(): Set<object> {
    const found = new Set<object>();
    const waiting: unknown[] = [
      ...ownKeys(globalThis).map((key) => getOwnPropertyDescriptor(globalThis, key)?.value),
      ...[function* () {}, async function () {}, async function* () {}],
      ...[[][Symbol.iterator](), ""[Symbol.iterator](), new Map().keys(), new Set().keys()],
      ..."".matchAll(/x/g),
      "".matchAll(/x/g),
      (function* () {})(),
      (async function* () {})(),
      Iterator.from([]).map((item) => item),
      RealDate,
    ];
    while (waiting.length > 0) {
      const item = waiting.pop();
      if ((typeof item !== "object" && typeof item !== "function") || item === null) continue;
      if (found.has(item) || item === globalThis) continue;
      found.add(item);
      waiting.push(getPrototypeOf(item));
      for (const key of ownKeys(item)) {
        const property = getOwnPropertyDescriptor(item, key);
        waiting.push(property?.value, property?.get, property?.set);
      }
    }
    return found;
  }

  /** A frozen prototype would forbid its heirs a property of the same name: `error.name = "Mine"`. */
  function allowOverrides(prototype: object): void {
    for (const key of ownKeys(prototype)) {
      const property = getOwnPropertyDescriptor(prototype, key);
      if (!property?.configurable || !("value" in property)) continue;
      const { value, enumerable } = property;
      defineProperty(prototype, key, {
        get: freeze(() => value),
        set: freeze(function (this: object, own: unknown) {
          if (this === prototype) throw new TypeError(`Cannot assign to "${String(key)}"`);
          defineProperty(this, key, {
            value: own,
            writable: true,
            enumerable: true,
            configurable: true,
          });
        }),
        enumerable: enumerable ?? false,
        configurable: false,
      });
    }
  }

  function fault(name: string, thrown?: unknown): void {
    planned = false;
    output = stringify({
      fault: name,
      ...(traces && thrown !== undefined ? detailOf(thrown) : {}),
    });
  }

  /** What was thrown may be anything, with getters that throw in turn. */
  function detailOf(thrown: unknown): { detail: string } {
    try {
      if (!(thrown instanceof RealError)) {
        return { detail: `thrown: ${String(thrown)}`.slice(0, 200) };
      }
      const text = thrown.stack || thrown.message;
      return { detail: typeof text === "string" ? text.slice(0, 4_000) : "" };
    } catch {
      return { detail: "" };
    }
  }

  function finish(value: unknown): void {
    if (typeof value !== "object" || value === null) return fault("policy-output-invalid");
    let text: string | undefined;
    try {
      text = stringify(value);
    } catch (error) {
      return fault("policy-output-invalid", error);
    }
    if (typeof text !== "string") return fault("policy-output-invalid");
    if (text.length > maxPlanBytes) return fault("policy-output-too-large");
    output = text;
    planned = true;
  }

  /** A plan without its promises and faults: asked alone, the policy tells them. */
  function planAtOnce(context: { readonly now: number; readonly seed: number }): string | null {
    output = null;
    planned = false;
    try {
      now = context.now;
      seed = context.seed >>> 0;
      const value = route?.(context);
      if (!isThenable(value)) finish(value);
    } catch {
      return null;
    }
    return planned ? output : null;
  }

  function isThenable(value: unknown): boolean {
    return typeof value === "object" && value !== null && "then" in value &&
      typeof value.then === "function";
  }

  const doors: RealmDoors = freeze({
    put(text: string): void {
      input = text;
      output = null;
      planned = false;
    },
    take: () => output,
    holds: () => planned,
    asks(): string | null {
      const mine = waiting.get(active);
      if (!mine || output !== null || mine.asked.length === 0) {
        waiting.delete(active);
        return null;
      }
      const requests = mine.asked;
      mine.asked = [];
      mine.now = now;
      mine.seed = seed;
      return stringify({ turn: active, requests });
    },
  });
  let opened = false;

  return freeze({
    /** The host's side of the realm; `null` for whoever asks after the host. */
    open(): RealmDoors | null {
      if (opened) return null;
      opened = true;
      return doors;
    },
    /** Runs a bundle's top level, once, and takes its `route`. */
    load(bundle: () => { readonly route?: unknown }): void {
      if (loaded) return;
      loaded = true;
      try {
        const found = bundle().route;
        if (typeof found !== "function") return fault("policy-output-invalid");
        route = found as (context: unknown) => unknown;
      } catch (error) {
        fault("policy-threw", error);
      }
    },
    /** Decides on what was put; under the deadline, with all that follows in microtasks. */
    run(): void {
      const mine = active = ++turn;
      let value: unknown;
      try {
        const context = parse(input);
        now = context.now;
        seed = context.seed >>> 0;
        if (route === null) return;
        value = route(context);
      } catch (error) {
        return threw(error);
      }
      try {
        if (!isThenable(value)) return finish(value);
      } catch (error) {
        return fault("policy-output-invalid", error);
      }
      // A promise of an earlier decision may settle in a later one, which is not its own.
      RealPromise.resolve(value).then(
        (settled) => mine === active ? finish(settled) : undefined,
        (error) => mine === active ? threw(error) : undefined,
      );
    },
    /** Decides on a list of contexts: a list of plans as JSON, `null` for what has none at once. */
    runAll(): void {
      active = ++turn;
      const plans: (string | null)[] = parse(input).map(planAtOnce);
      output = stringify(plans);
      planned = true;
    },
    /** Goes on with a decision whose requests are answered by what was put. */
    resume(): void {
      const { turn: resumed, answers } = parse(input);
      const mine = waiting.get(resumed);
      if (!mine) return;
      active = resumed;
      now = mine.now;
      seed = mine.seed;
      for (const { id, failed, ...answer } of answers) {
        const settled = mine.pending.get(id);
        mine.pending.delete(id);
        if (failed === undefined) settled?.resolve(answer);
        else settled?.reject(refusal(failed));
      }
    },
  });
}
