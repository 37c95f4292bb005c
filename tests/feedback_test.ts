import assert from "node:assert/strict";
import { createDeadlines } from "@/core/deadlines.ts";
import { createLog } from "@/core/log.ts";
import type { FeedbackSettings } from "@/core/policy_settings.ts";
import type { Spool } from "@/core/spool.ts";
import { ExternalPolicies } from "@/policies/external/external_policies.ts";
import { Feedback } from "@/policies/external/feedback.ts";
import { reply, startUpstream } from "./upstream.ts";

const NOW = 1_000_000;

function settingsFor(url: string): FeedbackSettings {
  return {
    url,
    headers: {},
    egress: { allowHttp: false, allowPrivate: [] },
    timeoutMs: 5_000,
    maxRetries: 2,
    retryBackoffMs: 1,
    maxLineBytes: 4_096,
    logsFailure: true,
    spoolBytes: 1 << 20,
    maxAgeMs: 1_000,
  };
}

/** Delivers these lines; the disk fails as often as is said when the first is looked for. */
function delivering(url: string, texts: readonly string[], failures = 0) {
  const lines = texts.map((text, place) => ({ place: String(place), text }));
  const spool: Spool = {
    bytes: 0,
    dropped: 0,
    append() {},
    first() {
      if (failures-- > 0) throw new Error("Too many open files");
      return lines[0] ?? null;
    },
    remove: () => void lines.shift(),
    [Symbol.dispose]() {},
  };
  const clock = () => performance.now();
  const feedback = new Feedback("asked", settingsFor(url), spool, {
    log: createLog({ level: "error", format: "json" }, { now: () => NOW, line: () => {} }),
    clock,
    now: () => NOW,
    deadlines: createDeadlines(clock),
  });
  return { feedback, [Symbol.dispose]: () => feedback.close() };
}

const line = (n: number) => JSON.stringify({ n, completedAt: NOW });

Deno.test("policy is told what waits behind a line that cannot be read", async () => {
  await using server = await startUpstream(reply({}));
  using delivery = delivering(server.url, ["\0\0\0", "null", line(1)]);
  assert.deepEqual((await server.request(1)).json(), { n: 1, completedAt: NOW });
  assert.equal(delivery.feedback.counts.dropped, 2);
});

Deno.test("policy is told later when the disk fails", async () => {
  await using server = await startUpstream(reply({}));
  using _delivery = delivering(server.url, [line(1)], 3);
  assert.deepEqual((await server.request(1)).json(), { n: 1, completedAt: NOW });
});

Deno.test("configuration comes into force though a spool cannot be opened, and the lines are counted", () => {
  const clock = () => performance.now();
  const told: string[] = [];
  const policies = new ExternalPolicies({
    log: createLog({ level: "warn", format: "json" }, {
      now: () => NOW,
      line: (line) => void told.push(line),
    }),
    clock,
    now: () => NOW,
    random: Math.random,
    deadlines: createDeadlines(clock),
  });
  policies.deliver(() => {
    throw new Error("Too many open files");
  });
  const breaker = {
    enabled: true,
    consecutiveFailures: 5,
    errorRate: 0.5,
    minRequests: 20,
    windowMs: 10_000,
    openMs: 5_000,
    multiplier: 2,
    maxOpenMs: 60_000,
    accessOpenMs: 5_000,
    halfOpenProbes: 1,
  };
  const feedback = settingsFor("http://127.0.0.1:1/feedback");
  const { url, headers, egress, timeoutMs } = feedback;
  const policy = {
    ...{ kind: "external" as const, url, headers, egress, timeoutMs, breaker, feedback },
    ...{ maxResponseBytes: 1_000, includeRequest: false, verdictTtlMs: 0 },
  };
  policies.adopt([{ name: "asked", policy }]);
  assert.notEqual(policies.get("asked"), undefined);
  policies.feed("asked", line(1));
  assert.equal(policies.feedback.dropped, 1);
  assert.match(told.join("\n"), /policy_feedback_failed/);
  policies.close();
});
