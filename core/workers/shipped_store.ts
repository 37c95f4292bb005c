import type {
  CallerTotals,
  MigrationCounts,
  ShipCounts,
  ShipFailures,
  UsageStore,
} from "../record.ts";
import type { Shipping, SupervisorSide } from "./messages.ts";

/** The usage database of a worker: its supervisor has it. */
export class ShippedStore implements UsageStore {
  readonly #supervisor: Pick<SupervisorSide, "totals">;
  #shipping: Shipping;
  /** Those of the supervisor stand in `/metrics`. */
  readonly migrations: MigrationCounts = { version: 0, pending: 0 };
  readonly counts: ShipCounts = { inserted: 0, duplicate: 0, rejected: 0, gaps: 0 };
  readonly failures: ShipFailures = { database: 0, worker: 0 };

  constructor(supervisor: Pick<SupervisorSide, "totals">, shipping: Shipping) {
    this.#supervisor = supervisor;
    this.#shipping = shipping;
  }

  get up(): boolean {
    return this.#shipping.up;
  }

  get schema(): Shipping["schema"] {
    return this.#shipping.schema;
  }

  get unshippedBytes(): number | null {
    return this.#shipping.unshippedBytes;
  }

  update(shipping: Shipping): void {
    this.#shipping = shipping;
  }

  totals(callerId: string, from: number, to: number): Promise<CallerTotals> {
    return this.#supervisor.totals(callerId, from, to);
  }

  /** The supervisor ships what is left. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
