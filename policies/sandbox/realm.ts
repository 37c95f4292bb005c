import { Buffer } from "node:buffer";
import vm from "node:vm";
import { type HostFault, LOAD_TIMEOUT_MS, type LoadMessage, MAX_PLAN_BYTES } from "./messages.ts";
import { prelude, type PreludeOptions, type RealmDoors } from "./prelude.ts";

/** An answer as text: the JSON of a plan, of a `HostFault`, or of what the decision waits for. */
export interface RealmAnswer {
  readonly kind: "plan" | "fault" | "pause";
  readonly text: string;
}

/**
 * A policy, loaded. A realm that ran into its deadline is `spent` and must not decide again. The engine
 * stops a decision that is `guarded`; any other runs on until its process is ended, but has no plan once
 * it is late.
 */
export interface Realm {
  decide(context: string, guarded: boolean): RealmAnswer;
  /** Decides on a list of contexts as JSON; gives a list of plans, `null` for one that must be asked alone. */
  decideAll(contexts: string): RealmAnswer;
  /** Goes on with a decision that waited; `text` names its turn and holds the answers, as JSON. */
  resume(text: string, guarded: boolean): RealmAnswer;
  readonly spent: boolean;
}

/** Why a bundle was not loaded. */
export class RefusedBundle extends Error {
  constructor(readonly fault: HostFault["fault"], readonly detail = "") {
    super(`Cannot load a policy: ${fault}`);
  }
}

/** Name of the bundle in stacks. */
export const BUNDLE_NAME = "policy.js";

const decision = new vm.Script("__pointsman.run()");
const decisions = new vm.Script("__pointsman.runAll()");
const resumption = new vm.Script("__pointsman.resume()");

/**
 * Makes a realm and loads a bundle into it. Only texts cross its border: the doors are functions of
 * the prelude, which policy code cannot replace.
 *
 * @throws {RefusedBundle} when its top level throws or does not end, or it exports no `route`
 */
export function openRealm({ code, timeoutMs, traces, fetches = false }: LoadMessage): Realm {
  const context = vm.createContext(Object.create(null), {
    microtaskMode: "afterEvaluate",
    codeGeneration: { strings: false, wasm: false },
  });
  const doors = openDoors(context, { maxPlanBytes: MAX_PLAN_BYTES, traces, fetches });
  load(context, code, doors);
  let spent = false;

  const guard = { timeout: timeoutMs };

  function run(text: string, script: vm.Script, guarded: boolean): RealmAnswer {
    doors.put(text);
    const fault = runWithin(
      timeoutMs,
      () => script.runInContext(context, guarded ? guard : undefined),
    );
    if (fault !== null) {
      spent = true;
      return faultAnswer(fault);
    }
    const answer = doors.take();
    const asked = fetches ? doors.asks() : null;
    if (answer === null) {
      return asked === null ? faultAnswer("policy-never-settled") : { kind: "pause", text: asked };
    }
    const planned = doors.holds();
    if (planned && Buffer.byteLength(answer) > MAX_PLAN_BYTES) {
      return faultAnswer("policy-output-too-large");
    }
    return { kind: planned ? "plan" : "fault", text: answer };
  }

  return {
    decide: (text, guarded) => run(text, decision, guarded),
    decideAll: (text) => run(text, decisions, true),
    resume: (text, guarded) => run(text, resumption, guarded),
    get spent() {
      return spent;
    },
  };
}

/** The prelude runs as text, so that everything it makes belongs to the realm. */
function openDoors(context: vm.Context, options: PreludeOptions): RealmDoors {
  const made = `const __pointsman = (${prelude})(${JSON.stringify(options)});`;
  return vm.runInContext(`${made} __pointsman.open()`, context);
}

const BEFORE_BUNDLE = '__pointsman.load(() => { "use strict"; ';
const AFTER_BUNDLE = "\nreturn __policy; })";

/** What a bundle throws is caught inside: its values are never looked at from here. */
function load(context: vm.Context, code: string, doors: RealmDoors): void {
  const script = new vm.Script(`${BEFORE_BUNDLE}${code}${AFTER_BUNDLE}`, {
    filename: BUNDLE_NAME,
    columnOffset: -BEFORE_BUNDLE.length,
  });
  const timeout = LOAD_TIMEOUT_MS;
  doors.put("");
  const broken = runWithin(timeout, () => script.runInContext(context, { timeout }));
  if (broken !== null) throw new RefusedBundle(broken);
  const failed = doors.take();
  if (failed === null) return;
  const { fault, detail }: HostFault = JSON.parse(failed);
  throw new RefusedBundle(fault, detail);
}

/**
 * Runs a script; gives the fault when it did not come to its end, or not in time. What it threw may be a
 * trap of the policy's making, and is not looked at: the clock tells a deadline from a full stack.
 */
function runWithin(
  timeoutMs: number,
  run: () => unknown,
): "policy-timeout" | "policy-threw" | null {
  const ends = performance.now() + timeoutMs;
  let isWhole = false;
  try {
    run();
    isWhole = true;
  } catch {
    // Whatever it is.
  }
  if (performance.now() >= ends) return "policy-timeout";
  return isWhole ? null : "policy-threw";
}

function faultAnswer(fault: HostFault["fault"]): RealmAnswer {
  return { kind: "fault", text: JSON.stringify({ fault }) };
}
