import { isObject, type Json } from "../json.ts";
import { plainContext } from "../route_context.ts";
import type { RouteContext, TargetView } from "../strategy.ts";

/** A context without its content, and of each target only what is not configured. */
export interface SeenContext extends Omit<RouteContext, "targets" | "text" | "request"> {
  readonly targets: readonly Pick<TargetView, "groupIndex" | "validation" | "signals">[];
}

/** An object whose members are known, as the list of their values; as it is where it has others. */
type Listed = object | readonly unknown[];

/** A `SeenContext` as it is recorded: the names of its members are most of its text. */
export interface RecordedContext extends Omit<SeenContext, "features" | "caller" | "targets"> {
  /** Which names its lists go by. */
  readonly names: number;
  readonly features: Listed;
  readonly caller: Listed;
  readonly targets: readonly {
    readonly groupIndex: number;
    readonly validation: TargetView["validation"];
    readonly signals: Listed;
  }[];
}

/** Members of an object in the order in which a decision sees them. */
interface Members {
  readonly names: readonly string[];
  /** With all of them. From JSON, as copies of an object that grew member by member are slow (seen on V8 15). */
  readonly blank: Readonly<Record<string, Json | undefined>>;
}

interface Names {
  readonly features: Members;
  readonly caller: Members;
  readonly signals: Members;
}

function members(...lines: readonly string[]): Members {
  const names = lines.join(" ").split(" ");
  return { names, blank: JSON.parse(`{${names.map((name) => `"${name}":null`).join()}}`) };
}

/** Those of today. What is recorded goes by it for good: other members mean another entry. */
const NAMES = 1;

const NAMES_OF: Readonly<Record<number, Names>> = {
  [NAMES]: {
    features: members(
      "stream temperatureSet streamOptions usageAsked previousResponseId messageCount turnCount",
      "textChars messageTextChars toolCount hasToolResults hostedTools toolChoice structuredOutput",
      "parallelToolCalls imageCount audioCount fileCount inputModalities outputModalities outputCap",
      "outputCapField reasoning metadataKeys choices asciiChars otherChars mediaTokens requestBytes",
      "toolSchemaBytes reservedOutputTokens estimatedInputTokens estimatedToolTokens",
      "estimatedImageTokens complexity",
    ),
    caller: members("id user project environment tokenId role"),
    signals: members(
      "observations successes p50LatencyMs p95LatencyMs p50TtfbMs outputTokensPerSec errorRate",
      "timeoutRate meanOutputTokens cachedInputShare inputTokenRatio inflight breaker breakerUntil",
      "backoffUntil",
    ),
  },
};

/** What is recorded of a context: no content, and nothing that its configuration says. */
export function recordedContext(context: RouteContext): RecordedContext {
  const names = NAMES_OF[NAMES]!;
  return {
    names: NAMES,
    ...plainContext(context),
    features: listed(context.features, names.features),
    caller: listed(context.caller, names.caller),
    targets: context.targets.map(({ groupIndex, validation, signals }) => ({
      groupIndex,
      validation,
      signals: listed(signals, names.signals),
    })),
  };
}

/** Values alone only where the names give back every member, and in its order. */
function listed(object: object, { names }: Members): Listed {
  const values = Object.values(object);
  if (values.length !== names.length) return object;
  let place = 0;
  for (const name in object) {
    // In a list it would be null.
    if (names[place] !== name || values[place] === undefined) return object;
    place += 1;
  }
  return values;
}

/** A recorded context with its names; one that has them already, as older ones do, is given back. */
export function namedContext(recorded: Json): Json {
  if (!isObject(recorded)) return recorded;
  const { names: key, ...context } = recorded;
  const { features, caller, targets } = context;
  const names = NAMES_OF[Number(key)];
  if (!names || !Array.isArray(targets)) return recorded;
  return {
    ...context,
    features: named(features, names.features),
    caller: named(caller, names.caller),
    targets: targets.map((target) =>
      isObject(target) ? { ...target, signals: named(target["signals"], names.signals) } : target
    ),
  };
}

function named(values: Json | undefined, { names, blank }: Members): Json | undefined {
  if (!Array.isArray(values)) return values;
  const object = { ...blank };
  for (let place = 0; place < names.length; place += 1) object[names[place]!] = values[place];
  return object;
}
