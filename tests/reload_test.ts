import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig, loadConfigAside } from "@/core/config/load.ts";
import { liveConfig } from "@/core/config/reload.ts";
import { diskSources } from "@/core/config/sources.ts";
import type { Log } from "@/core/log.ts";
import type { LogEvent } from "@/core/log_events.ts";
import type { Snapshot } from "@/core/snapshot.ts";
import { BASE, NOW, parts } from "./config_support.ts";

interface Running extends Disposable {
  readonly path: string;
  readonly dir: string;
  readonly lines: (readonly [LogEvent, string])[];
  current(): Snapshot;
  /** Resolves when the log says that a reload ended. */
  ended(): Promise<LogEvent>;
}

/** A live configuration in a folder of its own. */
function running(): Running {
  const dir = Deno.makeTempDirSync();
  const path = join(dir, "config.yaml");
  Deno.writeTextFileSync(path, BASE);
  const lines: (readonly [LogEvent, string])[] = [];
  let waiting = Promise.withResolvers<LogEvent>();
  const log: Log = {
    configure() {},
    write(_, event, msg) {
      lines.push([event, msg.replaceAll(dir, "DIR")]);
      if (/^Configuration (reloaded|not changed)/.test(msg)) waiting.resolve(event);
    },
  };
  const sources = diskSources({ env: () => undefined, now: () => NOW });
  const initial = loadConfig(path, sources, parts);
  assert.ok(initial.ok);
  const live = liveConfig({
    initial,
    load: () => loadConfigAside(path, sources, parts),
    log,
    prepare: () => Promise.resolve([]),
    debounceMs: 20,
  });
  return {
    path,
    dir,
    lines,
    current: () => live.current(),
    async ended() {
      const event = await waiting.promise;
      waiting = Promise.withResolvers();
      return event;
    },
    [Symbol.dispose]() {
      live[Symbol.dispose]();
      Deno.removeSync(dir, { recursive: true });
    },
  };
}

const renamed = BASE.replaceAll("demo", "other");

Deno.test("reload swaps the snapshot when the file is written", async () => {
  using config = running();
  const before = config.current();
  Deno.writeTextFileSync(config.path, renamed);
  assert.equal(await config.ended(), "config_reloaded");
  assert.deepEqual([...config.current().groups.keys()], ["other"]);
  assert.deepEqual([...before.groups.keys()], ["demo"]);
});

Deno.test("reload swaps the snapshot when the file is replaced by a rename, again and again", async () => {
  using config = running();
  for (const text of [renamed, BASE, renamed]) {
    Deno.writeTextFileSync(`${config.path}.new`, text);
    Deno.renameSync(`${config.path}.new`, config.path);
    assert.equal(await config.ended(), "config_reloaded");
    assert.deepEqual([...config.current().groups.keys()], [text === BASE ? "demo" : "other"]);
  }
});

Deno.test("reload keeps the old snapshot on errors, and logs every one", async () => {
  using config = running();
  const before = config.current();
  Deno.writeTextFileSync(config.path, BASE.replace("weight", "").replace("allow:", "alow: 1, a:"));
  assert.equal(await config.ended(), "config_rejected");
  assert.equal(config.current(), before);
  assert.deepEqual(config.lines, [
    [
      "config_rejected",
      'DIR/config.yaml:6:95: callers[0].alow: unknown key; did you mean "allow"?',
    ],
    ["config_rejected", "DIR/config.yaml:6:104: callers[0].a: unknown key"],
    ["config_rejected", "Configuration not changed: 2 errors, 0 warnings"],
  ]);
});

Deno.test("reload notices env.json, which was not there before", async () => {
  using config = running();
  Deno.writeTextFileSync(join(config.dir, "env.json"), "{}", { mode: 0o644 });
  assert.equal(await config.ended(), "config_rejected");
  assert.match(config.lines[0]![1], /env\.json:1:1: expected mode 0600, found 0644/);
});

Deno.test("reload keeps what only a restart may change, and warns", async () => {
  using config = running();
  const server = 'server: { listen: ":9", expose_rejections: true, usage_db: { path: x } }\n';
  Deno.writeTextFileSync(config.path, `${server}state_path: ./elsewhere.kv\n${BASE}`);
  assert.equal(await config.ended(), "config_reloaded");
  const { listen, exposeRejections, usageDb } = config.current().server;
  assert.equal(exposeRejections, true);
  assert.deepEqual(listen, { hostname: "127.0.0.1", port: 8080 });
  assert.match(usageDb.path, /state\/usage\.sqlite$/);
  const warned = config.lines.filter(([event]) => event === "config_warning").map(([_, msg]) =>
    msg
  );
  assert.deepEqual(
    warned,
    ["server.listen", "server.usage_db.path", "state_path"].map((key) =>
      `${key} changes at the next start; the running value stays`
    ),
  );
});

Deno.test({
  name: "reload answers SIGHUP",
  ignore: Deno.build.os === "windows",
  async fn() {
    using config = running();
    const before = config.current();
    Deno.kill(Deno.pid, "SIGHUP");
    assert.equal(await config.ended(), "config_reloaded");
    assert.notEqual(config.current(), before);
  },
});
