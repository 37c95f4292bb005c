import type { Json } from "../json.ts";
import { checkAccounts } from "./check_accounts.ts";
import { checkCallers } from "./check_callers.ts";
import { checkGroups } from "./check_groups.ts";
import { checkNames } from "./check_names.ts";
import { checkProviders } from "./check_providers.ts";
import { checkServer } from "./check_server.ts";
import { checkShapes } from "./check_shapes.ts";
import { checkSides } from "./check_sides.ts";
import type { Finding } from "./diagnose.ts";
import type { CheckFacts } from "./parts.ts";

/** Looks at a configuration that may still be wrong elsewhere, and reports what does not fit. */
export type Check = (root: Json, facts: CheckFacts) => Iterable<Finding>;

const CHECKS: readonly Check[] = [
  checkAccounts,
  checkCallers,
  checkGroups,
  checkNames,
  checkProviders,
  checkServer,
  checkShapes,
  checkSides,
];

/** Everything that a schema cannot see: references, duplicates, clashes. */
export function checkAll(root: Json, facts: CheckFacts): readonly Finding[] {
  return CHECKS.flatMap((check) => [...check(root, facts)]);
}
