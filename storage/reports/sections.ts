import { advisorSection } from "./advisor_section.ts";
import { featureSections } from "./feature_sections.ts";
import { latencySections } from "./latency_sections.ts";
import { listSections } from "./list_sections.ts";
import { reliabilitySections } from "./reliability_sections.ts";
import type { Report } from "./report.ts";
import { routingSections } from "./routing_sections.ts";
import { savingsSections } from "./savings_sections.ts";
import { shapingSections } from "./shaping_sections.ts";
import { stateSections } from "./state_sections.ts";
import { usageSections } from "./usage_sections.ts";

/** Every section, in the order in which they are printed. */
export const sections: readonly Report[] = [
  ...usageSections,
  ...reliabilitySections,
  ...featureSections,
  ...latencySections,
  ...routingSections,
  ...shapingSections,
  advisorSection,
  ...savingsSections,
  ...listSections,
  ...stateSections,
];
