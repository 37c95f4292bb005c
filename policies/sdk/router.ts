/** How a request is made. */
export interface RouterRequest {
  /** `GET` unless given. */
  readonly method?: "GET" | "POST";
  /** `accept`, `content-type` and `x-*` alone. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A text as it is, anything else as JSON. */
  readonly body?: unknown;
}

/** What came of it. */
export interface RouterAnswer {
  /** Whether the status is 2xx. */
  readonly ok: boolean;
  readonly status: number;
  /** `null` when the answer is no JSON. */
  readonly body: unknown;
}

/** The global `router` of a policy whose group grants it hosts; without a grant there is none. */
export interface Router {
  /**
   * Asks a granted server; four times in a decision at most.
   *
   * @throws {Error} `policy-fetch-denied` when it is not granted, `policy-fetch-failed` when no whole
   * answer came in time
   */
  fetchJSON(url: string, request?: RouterRequest): Promise<RouterAnswer>;
}
