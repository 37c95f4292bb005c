import type { DialectName } from "@/core/dialect_name.ts";
import { tokenDigestHex } from "@/core/tokens.ts";

/** The token of the caller `ci`, and the credential every provider of a test expects. */
export const TOKEN = "rtr_pointsman_ci_ci_test_k20261120_0123456789abcdefghijABCDEFGHIJ";
export const PROVIDER_KEY = "sk-provider-0123456789";

/** The dialects, each with the path of its calls. */
export const CALL_PATH: Readonly<Record<DialectName, string>> = {
  "openai-chat": "/v1/chat/completions",
  "openai-responses": "/v1/responses",
  "anthropic": "/v1/messages",
};
export const DIALECTS: readonly DialectName[] = ["openai-chat", "openai-responses", "anthropic"];

/** A configuration as the file holds it (JSON is YAML). */
export type ConfigTree = Readonly<Record<string, unknown>>;

/** What a test says about its gateway; everything else is the same for all tests. */
export interface ConfigOptions {
  /** Base URLs of upstreams: the nth serves the model `up-<n>` in every dialect. */
  readonly upstreams: readonly string[];
  readonly server?: ConfigTree;
  /** More keys of the group `fast`. */
  readonly group?: ConfigTree;
  /** More keys of the targets of the nth upstream. */
  readonly targets?: readonly ConfigTree[];
  /** More groups; `fast` is there already. */
  readonly models?: ConfigTree;
  readonly providers?: ConfigTree;
  /** Instead of the one caller `ci`. */
  readonly callers?: readonly ConfigTree[];
  /** More keys of the top level. */
  readonly top?: ConfigTree;
  /** More files beside the config file, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The echo, in every dialect. */
export const ECHO: ConfigOptions = {
  upstreams: [],
  providers: Object.fromEntries(
    DIALECTS.map((dialect) => [dialect, { base_url: "builtin:echo", dialect }]),
  ),
  group: { targets: DIALECTS.map((provider) => ({ provider, model: "echo" })) },
};

/** The configuration of a test: one group `fast`, every upstream in each dialect, one caller. */
export function testConfig(options: ConfigOptions): ConfigTree {
  const { upstreams, server, group, models, providers, callers, top } = options;
  return {
    server: {
      listen: "127.0.0.1:0",
      shutdown_grace_ms: 3_000,
      ...server,
      usage_db: { ship_interval_ms: 20, ...tree(server?.["usage_db"]) },
      logging: { level: "debug", ...tree(server?.["logging"]) },
    },
    providers: { ...Object.assign({}, ...upstreams.map(providersOf)), ...providers },
    models: {
      fast: { strategy: "failover", targets: targetsOf(options), ...group },
      ...models,
    },
    callers: callers ?? [caller("ci", TOKEN)],
    ...top,
  };
}

/** A caller that may use `fast`. */
export function caller(id: string, token: string, more: ConfigTree = {}): ConfigTree {
  return { id, token_sha256: tokenDigestHex(token), allow: ["fast"], ...more };
}

/** Name of the provider that is the nth upstream, from 1, in a dialect. */
export function providerName(ordinal: number, dialect: DialectName): string {
  return `p${ordinal}-${dialect}`;
}

function providersOf(url: string, index: number): ConfigTree {
  return Object.fromEntries(
    DIALECTS.map((dialect) => [providerName(index + 1, dialect), {
      base_url: dialect === "anthropic" ? url : `${url}/v1`,
      dialect,
      api_key: PROVIDER_KEY,
    }]),
  );
}

function targetsOf({ upstreams, targets = [] }: ConfigOptions): readonly ConfigTree[] {
  return upstreams.flatMap((_, index) =>
    DIALECTS.map((dialect) => ({
      provider: providerName(index + 1, dialect),
      model: `up-${index + 1}`,
      tool_support: {
        [dialect]: ["tools", "tool_choice", "parallel_tool_calls", "structured_outputs"],
      },
      input_modalities: ["text", "image"],
      reasoning: { supported: true },
      input_price_per_million_usd: 1,
      output_price_per_million_usd: 2,
      ...targets[index],
    }))
  );
}

function tree(value: unknown): ConfigTree {
  return typeof value === "object" && value !== null ? value as ConfigTree : {};
}
