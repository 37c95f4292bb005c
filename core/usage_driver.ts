/** Databases that calls are recorded in. */
export const USAGE_DRIVERS = ["sqlite", "postgres"] as const;

/** Name of a database that calls are recorded in. */
export type UsageDriver = typeof USAGE_DRIVERS[number];
