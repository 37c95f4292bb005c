/**
 * Small facts that all processes of a gateway share and that outlive them. Values are plain data;
 * what a store cannot do is thrown.
 */
export interface StateStore {
  /** `null` where nothing is stored. */
  get(name: string): Promise<unknown>;
  set(name: string, value: unknown): Promise<void>;
  delete(name: string): Promise<void>;
  /** The stored text; where there is none, this one is stored, unless another process is quicker. */
  keep(name: string, text: string): Promise<string>;
}
