import type { DialectName } from "@/core/dialect_name.ts";
import {
  caller,
  type ConfigOptions,
  type ConfigTree,
  DIALECTS,
  providerName,
  TOKEN,
} from "./gateway_config.ts";

const TOOLS = ["tools", "tool_choice", "parallel_tool_calls", "structured_outputs"];

/** Every way from a caller's dialect to a target's that needs a bridge. */
export const PAIRS: readonly (readonly [DialectName, DialectName])[] = DIALECTS.flatMap((from) =>
  DIALECTS.filter((to) => to !== from).map((to) => [from, to] as const)
);

/** A target of the nth upstream that serves callers of every dialect. */
export function bridged(ordinal: number, dialect: DialectName, more: ConfigTree = {}): ConfigTree {
  return {
    provider: providerName(ordinal, dialect),
    model: `up-${ordinal}`,
    inbound_dialects: DIALECTS,
    tool_support: Object.fromEntries(DIALECTS.map((name) => [name, TOOLS])),
    input_modalities: ["text", "image"],
    reasoning: { supported: true },
    input_price_per_million_usd: 1,
    output_price_per_million_usd: 2,
    ...more,
  };
}

/** The group whose one target speaks a dialect. */
export function groupOf(dialect: DialectName): string {
  return `to-${dialect}`;
}

/** A gateway with one group for each dialect of targets, each served by the first upstream. */
export function bridgeConfig(
  upstreams: readonly string[],
  more: {
    readonly models?: ConfigTree;
    readonly server?: ConfigTree;
    readonly target?: ConfigTree;
  } = {},
): ConfigOptions {
  const models = {
    ...Object.fromEntries(DIALECTS.map((dialect) => [groupOf(dialect), {
      strategy: "failover",
      targets: [bridged(1, dialect, more.target)],
    }])),
    ...more.models,
  };
  const allow = ["fast", ...Object.keys(models)];
  return {
    upstreams,
    models,
    callers: [caller("ci", TOKEN, { allow })],
    ...(more.server ? { server: more.server } : {}),
  };
}
