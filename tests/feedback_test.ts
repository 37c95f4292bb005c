import assert from "node:assert/strict";
import { createDeadlines } from "@/core/deadlines.ts";
import { createLog } from "@/core/log.ts";
import type { FeedbackSettings } from "@/core/policy_settings.ts";
import type { Spool } from "@/core/spool.ts";
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
