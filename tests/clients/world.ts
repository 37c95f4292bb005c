import type { DialectName } from "@/core/dialect_name.ts";
import {
  type ConfigTree,
  DIALECTS,
  providerName,
  startTestGateway,
  type TestGateway,
} from "../gateway.ts";
import { startUpstream, type TestUpstream } from "../upstream.ts";
import { type Model, scriptedModel, type Turn } from "./model.ts";
import { type Relay, startRelay } from "./relay.ts";

/** A model behind a gateway, and a relay before it. */
export interface World extends AsyncDisposable {
  readonly model: Model;
  readonly upstream: TestUpstream;
  readonly gateway: TestGateway;
  readonly relay: Relay;
  /** Puts a target of another dialect in place of the one there is. */
  retarget(dialect: DialectName): Promise<void>;
}

const TOOLS = ["tools", "tool_choice", "parallel_tool_calls", "structured_outputs"];

/** A target of one dialect that serves callers of all. */
function targetOf(dialect: DialectName, more: ConfigTree = {}): ConfigTree {
  return {
    provider: providerName(1, dialect),
    model: "up-1",
    inbound_dialects: DIALECTS,
    tool_support: Object.fromEntries(DIALECTS.map((caller) => [caller, TOOLS])),
    input_modalities: ["text", "image"],
    reasoning: { supported: true, supports_summaries: true },
    context_tokens: 200_000,
    input_price_per_million_usd: 1,
    output_price_per_million_usd: 2,
    ...more,
  };
}

/** Starts a world in which the group `fast` has one target of a dialect. */
export async function startWorld(
  dialect: DialectName,
  turn: Turn,
  more: ConfigTree = {},
): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const model = scriptedModel(turn);
  const upstream = stack.use(await startUpstream(model.behaviour));
  const options = (dialect: DialectName) => ({
    upstreams: [upstream.url],
    group: { targets: [targetOf(dialect, more)] },
  });
  const gateway = stack.use(await startTestGateway(options(dialect)));
  const relay = stack.use(startRelay(gateway.url));
  const kept = stack.move();
  return {
    model,
    upstream,
    gateway,
    relay,
    async retarget(dialect) {
      const taken = await gateway.reload(options(dialect));
      if (!taken) throw new Error("Cannot retarget: the config is bad");
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
