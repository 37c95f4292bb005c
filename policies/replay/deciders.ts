import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { inflateRawSync } from "node:zlib";
import { z } from "zod";
import type { DecisionStore, RecordedDecision } from "../../core/decision_store.ts";
import { parseJson } from "../../core/parse_json.ts";
import type { Registry } from "../../core/registry.ts";
import type { Decide, Strategy, StrategyChoice } from "../../core/strategy.ts";
import { type GroupStatics, unpackStatics } from "../../core/telemetry/context_record.ts";
import { MAX_BUNDLE_BYTES } from "../sandbox/bundle.ts";
import { ReplaySandbox } from "./sandbox.ts";

/** What decides again: a built-in strategy, or a policy in the sandbox. */
export type Decider =
  | { readonly kind: "builtin"; readonly decide: Decide }
  | { readonly kind: "script"; readonly sandbox: ReplaySandbox };

/** Why nothing here can decide again. */
export type Undecidable = "remote" | "missing";

/** Makes what decided, once each, from what is stored. */
export class Deciders implements AsyncDisposable {
  readonly #strategies: Registry<Strategy>;
  readonly #store: DecisionStore;
  readonly #statics = new Map<string, Promise<GroupStatics | null>>();
  readonly #builtins = new WeakMap<StrategyChoice, Decider>();
  readonly #scripts = new Map<string, Promise<Decider | Undecidable>>();

  constructor(strategies: Registry<Strategy>, store: DecisionStore) {
    this.#strategies = strategies;
    this.#store = store;
  }

  /**
   * What the configuration said of the group of a record; `null`: it is not stored.
   *
   * @throws {RecordError} when it was changed
   */
  statics({ configFingerprint, group }: RecordedDecision): Promise<GroupStatics | null> {
    return this.#statics.getOrInsertComputed(
      `${configFingerprint} ${group}`,
      () => this.#readStatics(configFingerprint, group),
    );
  }

  async #readStatics(fingerprint: string, group: string): Promise<GroupStatics | null> {
    const packed = await this.#store.statics(fingerprint, group);
    return packed === null ? null : unpackStatics(packed);
  }

  /** What decided about a record: its policy, else the strategy of the group, or its base. */
  async of(record: RecordedDecision, statics: GroupStatics): Promise<Decider | Undecidable> {
    if (record.policyDigest !== null) return await this.stored(record.policyDigest);
    if (record.policyKind === "external") return "remote";
    return this.builtin(statics.options === null ? statics.base : statics);
  }

  /** A strategy of the registry; the same choice gives the same decider. */
  builtin(choice: StrategyChoice): Decider | Undecidable {
    const known = this.#builtins.get(choice);
    if (known) return known;
    const { strategy: name, options } = choice;
    if (!this.#strategies.has(name)) return "missing";
    const strategy = this.#strategies.get(name);
    const read = strategy.options.safeParse(options ?? {});
    if (!read.success) return "missing";
    const decide = strategy.create(read.data, {
      group: "",
      policies: null,
      base: () => ({ targetIndex: 0 }),
    });
    const made: Decider = { kind: "builtin", decide };
    this.#builtins.set(choice, made);
    return made;
  }

  /** A policy whose bundle is stored. */
  stored(digest: string): Promise<Decider | Undecidable> {
    return this.#scripts.getOrInsertComputed(digest, (digest) => this.#readBundle(digest));
  }

  /** A policy by its code. */
  script(code: string): Decider {
    const sandbox = new ReplaySandbox(code);
    const made: Decider = { kind: "script", sandbox };
    this.#scripts.set(`code ${hash("sha256", code, "hex")}`, Promise.resolve(made));
    return made;
  }

  async #readBundle(digest: string): Promise<Decider | Undecidable> {
    const bundle = await this.#store.bundle(digest);
    if (!bundle) return "missing";
    const others = asksOthers(bundle.manifestJson);
    if (others !== false) return others ? "remote" : "missing";
    const code = unpackBundle(bundle.bundleZ);
    if (code === null || hash("sha256", code, "hex") !== digest) return "missing";
    return { kind: "script", sandbox: new ReplaySandbox(code) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const found of this.#scripts.values()) {
      const decider = await found;
      if (typeof decider === "object" && decider.kind === "script") {
        await decider.sandbox[Symbol.asyncDispose]();
      }
    }
  }
}

const manifestSchema = z.object({
  permissions: z.object({ net: z.array(z.string()).default([]) }).prefault({}),
});

/** A policy with a network grant decides by what others answered; `null`: nobody can tell. */
function asksOthers(manifestJson: string): boolean | null {
  try {
    const { permissions } = manifestSchema.parse(parseJson(manifestJson || "{}"));
    return permissions.net.length > 0;
  } catch {
    return null;
  }
}

const UNPACKING = { maxOutputLength: MAX_BUNDLE_BYTES };

function unpackBundle(packed: string): string | null {
  try {
    return inflateRawSync(Buffer.from(packed, "base64"), UNPACKING).toString();
  } catch {
    return null;
  }
}
