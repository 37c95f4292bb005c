import type { ScriptPolicySettings } from "../../core/policy_settings.ts";
import type { Bundle } from "./bundle.ts";
import { type FetchWorld, GrantedFetch } from "./granted_fetch.ts";
import type { HostAnswer, PolicyHost } from "./policy_host.ts";
import type { SpareHost } from "./spare_host.ts";

/** Wait before a process that could not be loaded is replaced again, ms. */
const RETRY_MS = 500;

const FAILED: HostAnswer = { kind: "lost" };

/** What a version needs. */
export interface VersionOptions {
  readonly bundle: Bundle;
  readonly settings: ScriptPolicySettings;
  readonly spare: SpareHost;
  readonly world: FetchWorld;
  /** Whether faults say what was thrown, and where. */
  readonly traces: boolean;
}

/** What a version tells of its processes. */
export interface VersionOwner {
  /** A process is ready to decide. */
  onHost(): void;
  /** A plan was not the same when it was made again. */
  onDiffers(): void;
  /** A process ended by itself or was killed. */
  onEnd(): void;
}

/** A bundle and the processes that decide with it. Those that end or wear out are replaced. */
export class PolicyVersion {
  readonly bundle: Bundle;
  readonly settings: ScriptPolicySettings;
  /** `null`: it is granted no network. */
  readonly granted: GrantedFetch | null;
  readonly #options: VersionOptions;
  readonly #hosts = new Set<PolicyHost>();
  #owner: VersionOwner | null = null;
  #wanted = 1;
  #starting = 0;
  #closed = false;

  constructor(options: VersionOptions) {
    this.#options = options;
    this.bundle = options.bundle;
    this.settings = options.settings;
    const { net, http } = options.settings;
    this.granted = net.length === 0 ? null : new GrantedFetch(net, http, options.world);
  }

  /** Starts the first process; gives the fault that refuses the bundle, or `null`. */
  async start(): Promise<HostAnswer | null> {
    const host = await this.#load();
    if (!("kind" in host)) this.#hosts.add(host);
    return "kind" in host ? host : null;
  }

  /** Takes the version into service, with so many processes. */
  serve(hosts: number, owner: VersionOwner): void {
    this.#owner = owner;
    this.#wanted = hosts;
    this.#fill();
  }

  /** The process with the least to do; `null` while there is none. */
  idlest(): PolicyHost | null {
    let best: PolicyHost | null = null;
    for (const host of this.#hosts) if (!best || host.pending < best.pending) best = host;
    return best;
  }

  /** Ends the processes when they have answered, or after `ms`. */
  async close(ms: number): Promise<void> {
    this.#closed = true;
    const hosts = [...this.#hosts];
    this.#hosts.clear();
    const timer = setTimeout(() => hosts.forEach((host) => host.kill()), ms);
    await Promise.all(hosts.map((host) => host.retire()));
    clearTimeout(timer);
    this.granted?.[Symbol.dispose]();
  }

  #fill(): void {
    const missing = this.#wanted - this.#hosts.size - this.#starting;
    for (let count = 0; count < missing && !this.#closed; count++) void this.#add();
  }

  async #add(): Promise<void> {
    this.#starting += 1;
    // A system that starts no process now may start one later.
    const host = await this.#load().catch(() => FAILED);
    this.#starting -= 1;
    if ("kind" in host) return void setTimeout(() => this.#fill(), RETRY_MS);
    if (this.#closed) return host.kill();
    this.#hosts.add(host);
    this.#owner?.onHost();
  }

  async #load(): Promise<PolicyHost | HostAnswer> {
    const { bundle, settings, spare, traces } = this.#options;
    const host = spare.take();
    const refused = await host.load({
      code: bundle.code,
      timeoutMs: settings.timeoutMs,
      heapMb: settings.heapMb,
      fetches: settings.net.length > 0,
      traces,
    }, {
      onWorn: () => this.#replace(host),
      onDiffers: () => this.#owner?.onDiffers(),
      onEnd: () => this.#lose(host),
    });
    if (refused === null) return host;
    host.kill();
    return refused;
  }

  /** A worn process answers what it was asked, and gets nothing more. */
  #replace(host: PolicyHost): void {
    if (!this.#hosts.delete(host)) return;
    this.#fill();
    void host.retire();
  }

  #lose(host: PolicyHost): void {
    if (!this.#hosts.delete(host)) return;
    this.#owner?.onEnd();
    this.#fill();
  }
}
