import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { wait } from "@/core/wait.ts";
import type { Loose, TestGateway } from "./gateway.ts";

/** Rows of a table of the usage database in the order of their calls, when there are so many. */
export async function rowsOf(
  gateway: TestGateway,
  table: string,
  count: number,
): Promise<Loose[]> {
  for (;;) {
    await gateway.usageRows();
    using db = new DatabaseSync(join(gateway.dir, "state", "usage.sqlite"), { readOnly: true });
    const rows: Loose[] = db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all();
    if (rows.length >= count) return rows;
    await wait(10);
  }
}
