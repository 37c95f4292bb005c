import type { z } from "zod";
import { MAX_NUSD } from "../limits/limit.ts";
import { block, choice, notation, numeric, usd, whole } from "./kinds.ts";

const budget = () =>
  usd().refine((nano) => nano <= BigInt(MAX_NUSD), {
    error: "expected at most 9000000 USD",
    params: { code: "out-of-range" },
  }).prefault(0).register(notation, { type: "usd" }).describe("calculated cost; 0 = no limit");

const period = () =>
  block({
    requests: whole().default(0).describe("calls; 0 = no limit"),
    tokens: whole().default(0).describe("input and output tokens; 0 = no limit"),
    cost_usd: budget(),
  }).prefault({});

const softPct = (share: number) =>
  numeric("pct", 0, 100).default(share).describe(
    "share of a limit from which the state is warning",
  );

/** Keys of `rate`. */
export const rateSchema = block({
  rpm: whole().default(0).describe("calls in any 60 s; 0 = no limit"),
  tpm: whole().default(0).describe("input and output tokens in any 60 s; 0 = no limit"),
  concurrent: whole().default(0).describe("calls at a time; 0 = no limit"),
});

/** Keys of `quota`. */
export const quotaSchema = block({
  day: period().describe("per UTC day"),
  month: period().describe("per UTC month"),
  soft_pct: softPct(80),
});

/** Keys of `key`. */
export const keySchema = block({
  lifetime_tokens: whole().default(0).describe("input and output tokens for ever; 0 = no limit"),
  soft_pct: softPct(90),
  on_exhaust: choice(["disable", "warn"]).default("disable")
    .describe("`disable`: 403 `key-exhausted`; `warn`: counted, not refused"),
});

/** `rate`, `quota` and `key`, read. */
export type RateConfig = z.infer<typeof rateSchema>;
export type QuotaConfig = z.infer<typeof quotaSchema>;
export type KeyConfig = z.infer<typeof keySchema>;
