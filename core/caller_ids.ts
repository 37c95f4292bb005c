/** Ids under which a caller, and whoever called it, know the call. */
export interface CallerIds {
  /** Its `x-request-id`. */
  readonly client: string | undefined;
  /** Of the trace in its `traceparent`. */
  readonly trace: string | undefined;
}

/** What the headers of a request say of both; ids that break their rules are as good as none. */
export function callerIds(headers: Headers): CallerIds {
  return {
    client: publicId(headers.get("x-request-id")),
    trace: PARENT.exec(headers.get("traceparent") ?? "")?.[1],
  };
}

/** A `traceparent` of W3C trace context, whose ids are not all zeros. */
const PARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

function publicId(value: string | null): string | undefined {
  return value !== null && /^[A-Za-z0-9._:-]{1,128}$/.test(value) ? value : undefined;
}
