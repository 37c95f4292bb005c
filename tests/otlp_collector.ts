import type { Loose } from "./gateway.ts";

/** A span as it was exported. */
export interface SeenSpan {
  /** `deno` for those of the platform. */
  readonly scope: string;
  readonly name: string;
  readonly kind: "internal" | "server" | "client";
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  /** Nanoseconds. */
  readonly start: bigint;
  readonly end: bigint;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: number;
}

/** An OTLP/HTTP endpoint that takes JSON. */
export interface Collector extends AsyncDisposable {
  /** Variables that make a Deno process export to it. */
  readonly env: Readonly<Record<string, string>>;
  readonly spans: readonly SeenSpan[];
  /** Names of metrics, with their points. */
  readonly metrics: ReadonlyMap<string, readonly Loose[]>;
  /** Every body that came. */
  readonly payloads: readonly Loose[];
}

/** Starts a collector on a free port. */
export function startCollector(): Collector {
  const spans: SeenSpan[] = [];
  const metrics = new Map<string, Loose[]>();
  const payloads: Loose[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const body: Loose = await request.json();
      payloads.push(body);
      for (const { scopeSpans } of body["resourceSpans"] ?? []) {
        spans.push(
          ...scopeSpans.flatMap(spansOf),
        );
      }
      for (const { scopeMetrics } of body["resourceMetrics"] ?? []) {
        for (const metric of scopeMetrics.flatMap((scope: Loose) => scope["metrics"])) {
          const { dataPoints } = metric.histogram ?? metric.sum ?? metric.gauge ??
            { dataPoints: [] };
          metrics.set(metric.name, dataPoints.map(pointOf));
        }
      }
      return Response.json({});
    },
  );
  return {
    env: {
      OTEL_DENO: "true",
      OTEL_DENO_CONSOLE: "ignore",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_SERVICE_NAME: "pointsman",
    },
    spans,
    metrics,
    payloads,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const KINDS: Readonly<Record<number, SeenSpan["kind"]>> = {
  1: "internal",
  2: "server",
  3: "client",
};

function spansOf({ scope, spans }: Loose): SeenSpan[] {
  return spans.map((span: Loose) => ({
    scope: scope.name,
    name: span["name"],
    kind: KINDS[span["kind"]],
    traceId: span["traceId"],
    spanId: span["spanId"],
    parentSpanId: span["parentSpanId"],
    start: BigInt(span["startTimeUnixNano"]),
    end: BigInt(span["endTimeUnixNano"]),
    failed: span["status"].code === 2,
    attributes: attributesOf(span["attributes"]),
    events: span["events"].length,
  }));
}

function pointOf(point: Loose): Loose {
  return { ...point, attributes: attributesOf(point["attributes"]) };
}

function attributesOf(list: Loose[]): Record<string, unknown> {
  return Object.fromEntries(list.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf(value: Loose): unknown {
  const [kind, inner] = Object.entries(value)[0] ?? [];
  return kind === "arrayValue" ? inner.values.map(valueOf) : inner;
}
