import { isDeepStrictEqual } from "node:util";
import { formatProblem, type Problem } from "../../core/config/problem.ts";
import { watchFiles } from "../../core/config/watch.ts";
import { createDeadlines } from "../../core/deadlines.ts";
import type { Log } from "../../core/log.ts";
import type {
  PolicyBundle,
  PolicyFeedback,
  PolicyGroup,
  PolicyHostSettings,
  PolicyRunner,
} from "../../core/policy_runner.ts";
import type { ScriptPolicySettings } from "../../core/policy_settings.ts";
import { type PolicyStanding, type PolicyState, worstState } from "../../core/policy_standing.ts";
import {
  type Asking,
  type PolicyVerdict,
  type RouteContext,
  UNAVAILABLE,
} from "../../core/strategy.ts";
import { messageOf } from "../../core/thrown.ts";
import { readPolicy } from "../policy_source.ts";
import { isManifest } from "../signing/built_policy.ts";
import { storedBundle } from "../signing/stored_bundle.ts";
import type { BundleFlaw } from "./bundle.ts";
import { type Bundler, createBundler } from "./bundler.ts";
import type { FetchWorld } from "./granted_fetch.ts";
import { GroupPolicy, shortDigest } from "./group_policy.ts";
import type { HostAnswer } from "./policy_host.ts";
import { refusalOf } from "./refusal.ts";
import { type HostWorld, SpareHost } from "./spare_host.ts";
import { PolicyVersion, type VersionOptions } from "./version.ts";

/** Quiet time before a change of a source counts, ms. */
const DEBOUNCE_MS = 100;

const BLIND = "cannot watch policies; send SIGHUP to reload them";

/** What a runner needs. */
export interface RunnerOptions {
  readonly log: Log;
  /** Monotonic ms. */
  clock(): number;
}

const DEFAULTS: PolicyHostSettings = {
  hosts: 2,
  watch: false,
  isolation: "process",
  trust: { required: false, keys: [] },
  quarantine: { faults: 5, windowMs: 60_000, openMs: 30_000, maxOpenMs: 900_000 },
};

/** Runs the policies in TypeScript; nothing is told to them. */
export type ScriptRunner = Omit<PolicyRunner, keyof PolicyFeedback>;

/** Builds the runner of the policies in TypeScript; processes start with the first policy. */
export function createScriptRunner(options: RunnerOptions): ScriptRunner {
  return new ProcessRunner(options);
}

class ProcessRunner implements ScriptRunner {
  readonly #log: Log;
  readonly #world: HostWorld & FetchWorld;
  readonly #spare: SpareHost;
  readonly #bundler: Bundler = createBundler();
  readonly #groups = new Map<string, GroupPolicy>();
  #prepared = new Map<string, PolicyVersion>();
  readonly reloads = { applied: 0, refused: 0 };
  #settings = DEFAULTS;
  #watch: Disposable | null = null;
  #watched = "";
  #reloads: Promise<void> = Promise.resolve();
  #preparing: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor({ log, clock }: RunnerOptions) {
    this.#log = log;
    this.#world = { clock, deadlines: createDeadlines(clock) };
    this.#spare = new SpareHost(this.#world);
  }

  get state(): PolicyState {
    return worstState([...this.#groups.values()].map(({ state }) => state));
  }

  standings(): readonly PolicyStanding[] {
    return [...this.#groups.values()].map(({ standing }) => standing);
  }

  resume(group: string): void {
    this.#groups.get(group)?.resume();
  }

  digestOf(group: string): string | null {
    return this.#groups.get(group)?.version.bundle.digest ?? null;
  }

  bundleOf(digest: string): PolicyBundle | null {
    const versions = [...this.#groups.values()].map(({ version }) => version);
    const version = versions.find(({ bundle }) => bundle.digest === digest);
    if (!version) return null;
    return storedBundle(version.bundle, version.settings);
  }

  async decide(group: string, context: RouteContext, asking: Asking): Promise<PolicyVerdict> {
    const policy = this.#groups.get(group);
    if (!policy) return UNAVAILABLE;
    return await policy.decide(context, asking.trial);
  }

  prepare(
    groups: Iterable<PolicyGroup>,
    settings: PolicyHostSettings,
  ): Promise<readonly Problem[]> {
    // One after the other: what was prepared last is what comes into force.
    const prepared = this.#preparing.then(() => this.#prepareAll(groups, settings));
    this.#preparing = prepared.catch(() => {});
    return prepared;
  }

  async #prepareAll(
    groups: Iterable<PolicyGroup>,
    settings: PolicyHostSettings,
  ): Promise<readonly Problem[]> {
    const asked = [...groups].flatMap(({ name, policy }) =>
      policy?.kind === "script" ? [{ name, policy }] : []
    );
    this.#discard();
    this.#fitSpare(asked.map(({ policy }) => policy), settings);
    const prepared = new Map<string, PolicyVersion>();
    const problems: Problem[] = [];
    for (const { name, policy } of asked) {
      const made = await this.#version(name, policy, settings);
      if (made instanceof PolicyVersion) prepared.set(name, made);
      else if (made) problems.push(...made.map((flaw) => problemOf(name, flaw)));
    }
    this.#prepared = prepared;
    if (problems.length > 0) this.#discard();
    return problems;
  }

  adopt(groups: Iterable<PolicyGroup>, settings: PolicyHostSettings): void {
    this.#settings = settings;
    const asked = new Map(
      [...groups].flatMap(({ name, policy }) => policy?.kind === "script" ? [[name, policy]] : []),
    );
    for (const [name, version] of this.#prepared) this.#take(name, version);
    this.#prepared = new Map();
    for (const [name, group] of this.#groups) {
      if (asked.has(name)) continue;
      this.#groups.delete(name);
      void group.close();
    }
    this.#fitSpare([...asked.values()], settings);
    this.#watchSources();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watch?.[Symbol.dispose]();
    this.#bundler[Symbol.dispose]();
    this.#discard();
    for (const group of this.#groups.values()) void group.close();
    this.#groups.clear();
    await this.#spare.close();
  }

  /** A version, loaded; `null` when the one in force is the same; or why there is none. */
  async #version(
    group: string,
    settings: ScriptPolicySettings,
    { isolation, trust }: PolicyHostSettings,
  ): Promise<PolicyVersion | readonly BundleFlaw[] | null> {
    const result = await readPolicy({ ...settings, isolation, trust }, this.#bundler);
    if (!result.ok) return result.flaws;
    const { bundle } = result;
    const current = this.#groups.get(group)?.version;
    const stays = current?.bundle.digest === bundle.digest &&
      isDeepStrictEqual(current.settings, settings) && isolation === this.#settings.isolation;
    if (stays) return null;
    const options = { bundle, settings, spare: this.#spare, world: this.#world };
    const version = new PolicyVersion({ ...options, traces: false });
    const refused = await version.start();
    if (refused === null) return version;
    const isThrown = refused.kind === "fault" && refused.fault === "policy-threw";
    const told = isThrown ? await this.#traced(options) : refused;
    return [refusalOf(told ?? refused, bundle, settings.path)];
  }

  /** What a policy throws leaves its realm only to tell its author why it is refused. */
  async #traced(options: Omit<VersionOptions, "traces">): Promise<HostAnswer | null> {
    const traced = new PolicyVersion({ ...options, traces: true });
    const refused = await traced.start();
    void traced.close(0);
    return refused;
  }

  #take(name: string, version: PolicyVersion): void {
    const group = this.#groups.get(name);
    if (group) {
      this.reloads.applied += 1;
      group.swap(version);
    } else {
      const options = {
        ...this.#world,
        group: name,
        log: this.#log,
        settings: () => this.#settings,
      };
      this.#groups.set(name, new GroupPolicy(version, options));
    }
    this.#log.write("info", "policy_loaded", "A policy is in force", {
      group: name,
      policy: shortDigest(version.bundle.digest),
      bytes: version.bundle.bytes,
    });
  }

  #discard(): void {
    for (const version of this.#prepared.values()) void version.close(0);
    this.#prepared = new Map();
  }

  #fitSpare(policies: readonly ScriptPolicySettings[], { isolation }: PolicyHostSettings): void {
    const running = [...this.#groups.values()].map(({ version }) => version.settings);
    const heapMb = Math.max(0, ...[...policies, ...running].map(({ heapMb }) => heapMb));
    this.#spare.fit({ heapMb, isolation });
  }

  /** Watches what the versions in force are made of. */
  #watchSources(): void {
    const files = this.#settings.watch
      ? [...this.#groups.values()].flatMap(({ version }) => Object.values(version.bundle.sources))
      : [];
    const key = [...new Set(files)].sort().join("\n");
    if (key === this.#watched) return;
    this.#watched = key;
    this.#watch?.[Symbol.dispose]();
    this.#watch = files.length === 0 ? null : watchFiles({
      files,
      debounceMs: DEBOUNCE_MS,
      onTouch: () => this.#warm(),
      onChange: () => this.#reload(),
      onFailure: () => this.#log.write("warn", "config_warning", BLIND),
    });
    // What changed while nobody watched.
    if (files.length > 0) this.#reload();
  }

  /** While a change settles, what will bundle it starts. */
  #warm(): void {
    for (const { version } of this.#groups.values()) {
      const { path, root } = version.settings;
      if (!isManifest(path)) this.#bundler.warm(root);
    }
  }

  /** Brings changed sources into force, one reload after the other. */
  #reload(): void {
    this.#reloads = this.#reloads.then(() => this.#reloadAll()).catch((error) => {
      const msg = `policies not changed: ${messageOf(error)}`;
      this.#log.write("error", "policy_refused", msg);
    });
  }

  /** What is broken changes nothing. */
  async #reloadAll(): Promise<void> {
    for (const [name, { version }] of this.#groups) {
      if (this.#closed) return;
      const made = await this.#version(name, version.settings, this.#settings);
      if (this.#groups.get(name)?.version !== version) {
        if (made instanceof PolicyVersion) void made.close(0);
      } else if (made instanceof PolicyVersion) this.#take(name, made);
      else if (made) this.#refuse(name, made);
    }
    if (!this.#closed) this.#watchSources();
  }

  #refuse(group: string, flaws: readonly BundleFlaw[]): void {
    this.reloads.refused += 1;
    for (const flaw of flaws) {
      this.#log.write("error", "policy_refused", formatProblem(problemOf(group, flaw)), { group });
    }
  }
}

function problemOf(group: string, { file, line, column, message }: BundleFlaw): Problem {
  return {
    severity: "error",
    code: "unusable",
    path: `models.${group}.script`,
    file,
    line: Math.max(1, line),
    column: Math.max(1, column),
    message,
    suggestion: null,
  };
}
