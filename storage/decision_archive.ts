import { z } from "zod";
import type { DecisionArchive } from "../core/decision_store.ts";
import { USAGE_DRIVERS } from "../core/usage_driver.ts";
import type { DatabasePlace } from "./database.ts";
import {
  databaseOf,
  orDatabaseError,
  type StorageCommandOptions,
  withDatabaseFlags,
} from "./database_flags.ts";
import { openDecisionStore } from "./decision_reader.ts";
import { parseTime, parseWindow } from "./time_window.ts";

/** Builds the way of commands to recorded decisions. */
export function createDecisionArchive(
  { settingsOf }: Pick<StorageCommandOptions, "settingsOf">,
): DecisionArchive {
  return {
    withFlags: withDatabaseFlags,
    async placeOf(flags, world): Promise<DatabasePlace> {
      const { driver, path, dsn } = await databaseOf(flags, { world, settingsOf });
      return { driver, path, dsn };
    },
    open: (place) => orDatabaseError(() => openDecisionStore(placeSchema.parse(place))),
    module: new URL("./decision_reader.ts", import.meta.url).href,
    timeOf: (text, now) =>
      /^\d+[mhd]$/.test(text) ? parseWindow({ since: text }, now).from : parseTime(text),
  };
}

const placeSchema = z.object({
  driver: z.enum(USAGE_DRIVERS),
  path: z.string(),
  dsn: z.string().nullable(),
});
