import { z } from "zod";
import type { Deadline, Deadlines } from "../../core/deadlines.ts";
import { parseJson } from "../../core/parse_json.ts";
import { POLICY_FAULTS, type PolicyFault } from "../../core/policy_fault.ts";
import {
  DIFFERS,
  encodeFrame,
  FRAME,
  type Frame,
  FrameReader,
  KIND,
  RECYCLE,
  TIDIES,
} from "./frames.ts";
import { type GrantedFetch, pauseSchema } from "./granted_fetch.ts";
import type { HostLink, OpenLink } from "./host_link.ts";
import { EXIT_MEMORY, LOAD_TIMEOUT_MS, type LoadMessage, MAX_ANSWER_BYTES } from "./messages.ts";

/** What a host answers; `lost`: it ended before it came to this. */
export type HostAnswer =
  | { readonly kind: "plan"; readonly text: string }
  | { readonly kind: "fault"; readonly fault: PolicyFault; readonly detail: string }
  | { readonly kind: "lost" };

/** An answer without a plan. */
export type NoPlan = Exclude<HostAnswer, { readonly kind: "plan" }>;

/** The fault that callers and authors are told: a host that is gone is no fault of the policy. */
export function faultOf(answer: NoPlan): PolicyFault {
  return answer.kind === "lost" ? "policy-unavailable" : answer.fault;
}

/** What its owner is told of a host. */
export interface HostOwner {
  /** Its heap has passed its mark. */
  onWorn(): void;
  /** A plan was not the same when it was made again. */
  onDiffers(): void;
  onEnd(): void;
}

/** Time a decision may take beyond its running time, until the process is killed, ms. */
const MARGIN_MS = 25;

/** A busy gateway may be late to read an answer that is there: it looks once more, ms. */
const LAST_LOOK_MS = 5;

/** Longest start of a process, ms. */
const BOOT_MS = 15_000;

interface Waiting {
  readonly sequence: number;
  readonly timeoutMs: number;
  readonly sentAt: number;
  readonly answer: (answer: HostAnswer | Pause) => void;
}

/** A decision waits for requests. */
interface Pause {
  readonly kind: "pause";
  readonly pause: z.infer<typeof pauseSchema>;
}

const decoder = new TextDecoder();
const LOST: NoPlan = { kind: "lost" };

/** What a host is started with. */
export interface PolicyHostOptions {
  readonly deadlines: Deadlines;
  /** Monotonic ms. */
  readonly clock: () => number;
  readonly open: OpenLink;
  /** The largest heap a policy may ask for, MiB. */
  readonly heapMb: number;
}

/**
 * A process or a thread with one policy. Requests are answered in their order, so the first that waits
 * is the one that runs: when the host is killed or dies, that one is at fault and the others are lost.
 * Between an answer and the next request it may have to do with itself: then nobody is at fault.
 */
export class PolicyHost {
  readonly #link: HostLink;
  readonly #deadlines: Deadlines;
  readonly #clock: () => number;
  readonly #frames = new FrameReader(MAX_ANSWER_BYTES);
  readonly #waiting: Waiting[] = [];
  readonly #ready = Promise.withResolvers<boolean>();
  readonly #gone = Promise.withResolvers<void>();
  #owner: HostOwner | null = null;
  #deadline: Deadline | null = null;
  #looksAt = 0;
  /** When it came to be free for what it is asked next, as it said. */
  #freeSince = 0;
  /** It has to do with its last answer: what waits has not begun. */
  #tidies = false;
  /** How far our clock is ahead of its own: no frame comes before it is sent. */
  #clockAhead = Infinity;
  #sequence = 0;
  #alive = true;
  #timeoutMs = 0;
  #drained: (() => void) | null = null;

  /** Starts the host. */
  constructor({ deadlines, clock, open, heapMb }: PolicyHostOptions) {
    this.#deadlines = deadlines;
    this.#clock = clock;
    this.#link = open(heapMb, {
      onChunk: (chunk) => this.#read(chunk),
      onEnd: (code) => {
        this.#end(this.#faultOf(code));
        this.#gone.resolve();
      },
    });
    this.#deadline = deadlines.set(BOOT_MS, () => this.kill());
  }

  /** Of its process; `null`: it is a thread. */
  get pid(): number | null {
    return this.#link.pid;
  }

  /** Ends when it is gone. */
  get ended(): Promise<void> {
    return this.#gone.promise;
  }

  /** What it has to do: decisions not answered, and what is left of its last answer. */
  get pending(): number {
    return this.#waiting.length + (this.#tidies ? 1 : 0);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Whether the process came up. */
  get ready(): Promise<boolean> {
    return this.#ready.promise;
  }

  /** Loads a bundle; gives the fault that refuses it, or `null`. */
  async load(message: LoadMessage, owner: HostOwner): Promise<NoPlan | null> {
    if (!await this.ready) return LOST;
    this.#owner = owner;
    this.#timeoutMs = message.timeoutMs;
    const answer = await this.#ask(FRAME.load, JSON.stringify(message), LOAD_TIMEOUT_MS * 2);
    return answer.kind === "fault" || answer.kind === "lost" ? answer : null;
  }

  /**
   * Decides on a context, as JSON.
   *
   * @param granted makes the requests that the policy asks for; absent: it asks for none
   */
  async decide(context: string, granted: GrantedFetch | null = null): Promise<HostAnswer> {
    let answer = await this.#ask(FRAME.decide, context, this.#timeoutMs);
    const started = this.#clock();
    while (answer.kind === "pause") {
      if (!granted) return { kind: "fault", fault: "policy-fetch-denied", detail: "" };
      const left = started + granted.wallMs - this.#clock();
      if (left <= 0) return { kind: "fault", fault: "policy-timeout", detail: "" };
      const { requests, ...pause } = answer.pause;
      const answers = await Promise.all(requests.map((asked) => granted.fetch(asked, left)));
      answer = await this.#ask(
        FRAME.resume,
        JSON.stringify({ ...pause, answers }),
        this.#timeoutMs,
      );
    }
    return answer;
  }

  /**
   * Decides on so many contexts as a batch may have; a plan each, as JSON, or `null`: it must be asked
   * alone, and then tells why.
   */
  async decideAll(contexts: readonly string[]): Promise<readonly (string | null)[]> {
    const answer = await this.#ask(FRAME.decideAll, `[${contexts.join()}]`, this.#timeoutMs);
    const plans = answer.kind === "plan" ? plansSchema.parse(parseJson(answer.text)) : [];
    return contexts.map((_, index) => plans[index] ?? null);
  }

  /** Bytes of its heap that are in use, garbage included; `null`: it is gone. */
  async heapBytes(): Promise<number | null> {
    const answer = await this.#ask(FRAME.measure, "", this.#timeoutMs);
    return answer.kind === "plan" ? Number(answer.text) : null;
  }

  /** Ends the process as soon as it has answered what it was asked. */
  async retire(): Promise<void> {
    if (this.#waiting.length > 0) await new Promise<void>((resolve) => this.#drained = resolve);
    this.kill();
  }

  /** Ends the process at once, whatever it does. */
  kill(): void {
    if (!this.#alive) return;
    this.#end("policy-killed");
    this.#link.kill();
  }

  #ask(kind: number, text: string, timeoutMs: number): Promise<HostAnswer | Pause> {
    if (!this.#alive) return Promise.resolve(LOST);
    const sequence = this.#sequence = (this.#sequence + 1) >>> 0;
    return new Promise((answer) => {
      this.#waiting.push({ sequence, timeoutMs, sentAt: this.#clock(), answer });
      if (this.#waiting.length === 1) this.#watch();
      this.#link.send(encodeFrame(kind, sequence, text));
    });
  }

  /** What it does now, and until when it may; `null`: nothing. */
  get #work(): { readonly since: number; readonly until: number } | null {
    const since = this.#freeSince;
    if (this.#tidies) return { since, until: since + LOAD_TIMEOUT_MS + this.#timeoutMs };
    const [head] = this.#waiting;
    if (!head) return null;
    const begun = Math.max(since, head.sentAt);
    return { since: begun, until: begun + head.timeoutMs };
  }

  #watch(): void {
    const work = this.#work;
    if (work) this.#lookAt(work.until + MARGIN_MS);
  }

  /** An earlier look stays, and finds a later deadline by itself: nearly every decision ends before its own. */
  #lookAt(at: number): void {
    if (this.#deadline && this.#looksAt <= at) return;
    this.#deadline?.cancel();
    this.#looksAt = at;
    this.#deadline = this.#deadlines.set(at - this.#clock(), () => this.#look());
  }

  #look(): void {
    this.#deadline = null;
    const work = this.#work;
    if (!work) return;
    const at = work.until + MARGIN_MS;
    if (at > this.#clock()) return this.#lookAt(at);
    this.#deadline = this.#deadlines.set(LAST_LOOK_MS, () => {
      if (this.#work?.since === work.since) this.kill();
      else this.#look();
    });
  }

  /** A host that does not keep to the protocol is ended. */
  #read(chunk: Uint8Array): void {
    try {
      for (const frame of this.#frames.push(chunk)) this.#take(frame);
    } catch {
      this.kill();
    }
  }

  #take(frame: Frame): void {
    const kind = frame.kind & KIND;
    if (!Number.isFinite(frame.at)) throw new RangeError("Cannot follow a host's clock");
    this.#clockAhead = Math.min(this.#clockAhead, this.#clock() - frame.at);
    if (kind === FRAME.ready) {
      this.#deadline?.cancel();
      this.#deadline = null;
      return this.#ready.resolve(true);
    }
    if (kind === FRAME.free) return this.#setFree(frame);
    const head = this.#waiting[0];
    if (head?.sequence !== frame.sequence) throw new RangeError("Cannot follow a host's answers");
    // Until it is read, the first still waits: it is at fault when the host is ended for it.
    const answer = answerOf(kind, frame.payload);
    this.#waiting.shift();
    this.#setFree(frame);
    if (this.#waiting.length === 0) this.#drained?.();
    head.answer(answer);
    if (frame.kind & RECYCLE) this.#owner?.onWorn();
  }

  /** It begins with what waits as soon as it has said so, however late that is read. */
  #setFree({ kind, at }: Frame): void {
    this.#freeSince = at + this.#clockAhead;
    this.#tidies = (kind & TIDIES) !== 0;
    this.#watch();
    if (kind & DIFFERS) this.#owner?.onDiffers();
  }

  /** Why a process that ended by itself did so: after its running time, it was the deadline. */
  #faultOf(code: number): PolicyFault {
    const work = this.#work;
    if (work && this.#clock() >= work.until) return "policy-killed";
    return code === EXIT_MEMORY || ENGINE_EXITS.has(code) ? "policy-oom" : "policy-crashed";
  }

  /** What it was deciding is answered with the fault, what had not begun is lost. */
  #end(fault: PolicyFault): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#deadline?.cancel();
    this.#ready.resolve(false);
    const begun = this.#tidies ? null : this.#waiting.shift();
    begun?.answer({ kind: "fault", fault, detail: "" });
    for (const { answer } of this.#waiting.splice(0)) answer(LOST);
    this.#drained?.();
    this.#owner?.onEnd();
  }
}

/** The engine ends a process that has no memory left by a trap: 128 + SIGILL, SIGTRAP or SIGABRT. */
const ENGINE_EXITS: ReadonlySet<number> = new Set([132, 133, 134]);

/** Answers whose text is for whoever asked. */
const TEXTS: ReadonlySet<number> = new Set([FRAME.plan, FRAME.loaded, FRAME.measured]);

const plansSchema = z.array(z.string().nullable()).catch([]);

const faultSchema = z.object({ fault: z.enum(POLICY_FAULTS), detail: z.string().default("") });

function answerOf(kind: number, payload: Uint8Array): HostAnswer | Pause {
  const text = decoder.decode(payload);
  if (kind === FRAME.pause) return { kind: "pause", pause: pauseSchema.parse(parseJson(text)) };
  if (TEXTS.has(kind)) return { kind: "plan", text };
  return { kind: "fault", ...faultSchema.parse(parseJson(text)) };
}
