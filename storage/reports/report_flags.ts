import { type Command, Option } from "commander";
import type { BaselinePrices } from "../../core/snapshot.ts";
import { type DatabaseFlags, type StorageSettings, withDatabaseFlags } from "../database_flags.ts";
import { parseWindow } from "../time_window.ts";
import { FORMATS, type OutputFormat } from "./formats.ts";
import type { ReportFilter, Sort } from "./report.ts";

/** Flags that ask for a value of a column of `request_usage`. */
const LABELS = {
  caller: "caller_id",
  callerUser: "caller_user",
  callerProject: "caller_project",
  callerEnvironment: "caller_environment",
  client: "client",
  tokenId: "token_id",
  resolvedGroup: "resolved_group",
  requestedModel: "requested_model",
  provider: "target_provider",
  model: "target_model",
  dialect: "target_dialect",
  cache: "cache",
  policyDigest: "policy_digest",
  conversation: "conversation_key",
  trafficShapeBucket: "traffic_shape_bucket",
  trafficShapeScope: "traffic_shape_scope",
} as const;

/** Flags of `report`, as commander reads them. */
export interface ReportFlags extends DatabaseFlags, Partial<Record<keyof typeof LABELS, string>> {
  readonly since?: string;
  readonly from?: string;
  readonly to?: string;
  readonly month?: string;
  readonly format: OutputFormat;
  readonly out?: string;
  readonly limit: string;
  readonly sort?: string;
  readonly direction: "asc" | "desc";
  readonly baseline?: string;
  readonly baselineInputPricePerMillionUsd?: string;
  readonly baselineOutputPricePerMillionUsd?: string;
  readonly log?: string;
  readonly trafficTuningAdvisor?: true;
  readonly status?: string;
  readonly tokenIdPrefix?: string;
  readonly trafficShapedOnly?: true;
}

/** Adds the flags. */
export function withReportFlags(command: Command): Command {
  withDatabaseFlags(command)
    .option("--since <span>", "such as 90m, 24h or 7d")
    .option("--from <time>", "first moment, UTC")
    .option("--to <time>", "first moment after, UTC")
    .option("--month <month>", "a month, YYYY-MM, UTC")
    .addOption(new Option("--format <format>", "output").choices(FORMATS).default("md"))
    .option("--out <path>", "file to write instead of stdout")
    .option("--limit <rows>", "rows per table", "50")
    .option("--sort <column>", "column to rank rows by, by its name in JSON")
    .addOption(
      new Option("--direction <direction>", "of --sort").choices(["asc", "desc"]).default("desc"),
    )
    .option("--baseline <id>", "a configured baseline, or catalog:<provider>/<ref>")
    .option("--baseline-input-price-per-million-usd <usd>", "baseline that is not configured")
    .option("--baseline-output-price-per-million-usd <usd>", "its other price")
    .option("--log <path>", "journal to load first")
    .option("--traffic-tuning-advisor", "the section `advisor` alone")
    .option("--status <code>", "such as 429 or 5xx")
    .option("--token-id-prefix <text>", "tokens whose id begins so")
    .option("--traffic-shaped-only", "calls that shaping touched");
  for (const name of Object.keys(LABELS)) {
    const words = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    command.option(`--${words} <text>`, "only calls with this value");
  }
  return command;
}

/**
 * What the flags ask for.
 *
 * @throws RangeError when they cannot be read
 */
export function filterOf(
  flags: ReportFlags,
  { now, settings }: { readonly now: number; readonly settings: StorageSettings | null },
): ReportFilter {
  const labels = Object.entries(LABELS).flatMap(([flag, column]) => {
    const value = flags[flag as keyof typeof LABELS];
    if (value === undefined) return [];
    // Ids of accounts are stored in lower case, however the configuration spells them.
    return [[column, column.startsWith("caller_") ? value.toLowerCase() : value]];
  });
  return {
    ...parseWindow(flags, now),
    limit: parseLimit(flags.limit),
    sort: sortOf(flags),
    labels: Object.fromEntries(labels),
    status: flags.status === undefined ? null : parseStatus(flags.status),
    tokenIdPrefix: flags.tokenIdPrefix ?? null,
    trafficShapedOnly: flags.trafficShapedOnly === true,
    baseline: baselineOf(flags, settings),
  };
}

/** Whether the flags name a baseline that only the configuration knows. */
export function needsSettings({ baseline }: ReportFlags): boolean {
  return baseline !== undefined;
}

function sortOf({ sort, direction }: ReportFlags): Sort | null {
  return sort === undefined ? null : { by: sort, direction };
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new RangeError(`Cannot read limit "${text}": expected a whole number`);
}

function parseStatus(text: string): readonly [number, number] {
  const [, first, rest] = /^([1-5])(\d\d|xx)$/.exec(text) ?? [];
  if (first && rest === "xx") return [Number(first) * 100, Number(first) * 100 + 99];
  if (first) return [Number(text), Number(text)];
  throw new RangeError(`Cannot read status "${text}": expected a code such as 429, or 5xx`);
}

function baselineOf(flags: ReportFlags, settings: StorageSettings | null): BaselinePrices | null {
  const {
    baseline: id,
    baselineInputPricePerMillionUsd: input,
    baselineOutputPricePerMillionUsd: output,
  } = flags;
  if (id !== undefined && (input ?? output) !== undefined) {
    throw new RangeError("Cannot use two baselines: --baseline and prices");
  }
  if (id !== undefined) {
    return id.startsWith("catalog:") ? fromCatalog(id, settings) : configured(id, settings);
  }
  if (input === undefined && output === undefined) return null;
  const prices = { input: parseUsd(input), output: parseUsd(output) };
  const { input: price } = prices;
  const name = `$${input} in, $${output} out per million tokens`;
  return { id: "custom", name, ...prices, cachedInput: price, cacheWrite: price };
}

function configured(id: string, settings: StorageSettings | null): BaselinePrices {
  const known = settings?.baselines ?? [];
  const found = known.find((baseline) => baseline.id === id);
  if (found) return found;
  const ids = known.map((baseline) => baseline.id).join(", ") || "none";
  throw new RangeError(`Cannot use baseline "${id}": configured are ${ids}`);
}

/** The prices of a catalog model, as a target that uses it has them. */
function fromCatalog(id: string, settings: StorageSettings | null): BaselinePrices {
  const targets = [...settings?.groups.values() ?? []].flatMap((group) => group.targets);
  const wanted = id.slice("catalog:".length);
  const prices = targets
    .find(({ provider, modelRef }) => `${provider.name}/${modelRef}` === wanted)?.prices;
  if (!prices) {
    throw new RangeError(`Cannot use baseline "${id}": no target uses that model of the catalog`);
  }
  const { input, output } = prices;
  if (input === null || output === null) {
    throw new RangeError(`Cannot use baseline "${id}": the model has no prices`);
  }
  return {
    id,
    name: wanted,
    input,
    output,
    cachedInput: prices.cachedInput ?? input,
    cacheWrite: prices.cacheWrite ?? input,
  };
}

/** USD with at most nine decimals, as nano-USD. */
function parseUsd(text: string | undefined): bigint {
  const [, whole, decimals = ""] = /^(\d{1,6})(?:\.(\d{1,9}))?$/.exec(text ?? "") ?? [];
  if (whole !== undefined) return BigInt(whole + decimals.padEnd(9, "0"));
  throw new RangeError(
    `Cannot read price "${text ?? ""}": expected USD per million tokens, for input and for output`,
  );
}
