import { grouped } from "./grouped.ts";
import {
  caller,
  client,
  type Dimension,
  environment,
  group,
  model,
  optionalLabel,
  overviewMeasures,
  project,
  provider,
  token,
  volume,
} from "./measures.ts";
import type { Percentiles } from "./percentiles.ts";
import type { Report } from "./report.ts";
import { timeSections } from "./time_sections.ts";

const latency: Percentiles = {
  name: "latency",
  title: "Latency",
  row: "u.latency_ms",
  metric: "latency",
  percents: [50, 95, 99],
};

/** How much was used, by whom and where. */
export const usageSections: readonly Report[] = [
  grouped({
    id: "overview",
    title: "Overview",
    isDefault: true,
    by: [],
    measures: overviewMeasures,
    percentiles: [latency],
  }),
  ...timeSections,
  volumeBy("groups", "Groups", [group], true),
  volumeBy("providers", "Providers", [provider], true),
  volumeBy("models", "Models", [provider, model]),
  volumeBy("callers", "Callers", [caller], true),
  volumeBy("tokens", "Tokens", [caller, token]),
  volumeBy("projects", "Projects", [project, environment], true),
  volumeBy("clients", "Clients", [client], true),
  volumeBy("ips", "Addresses", [optionalLabel("caller_ip", "Address")]),
];

function volumeBy(
  id: string,
  title: string,
  by: readonly Dimension[],
  isDefault = false,
): Report {
  return grouped({ id, title, by, measures: volume, isDefault });
}
