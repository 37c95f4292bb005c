import { Command } from "commander";
import assert from "node:assert/strict";
import { ExitError, listenOption, type World } from "@/core/command.ts";
import { addEchoCommands } from "@/plugins/echo/commands.ts";
import { echoUpstream } from "@/plugins/echo/mod.ts";
import { MODELS } from "@/plugins/echo/script.ts";
import { serveEcho } from "@/plugins/echo/server.ts";
import { sampleRequest } from "./upstream_samples.ts";

function worldOf(print: (text: string) => void): World {
  return {
    env: () => undefined,
    stdin: () => Promise.resolve(""),
    print,
    printError: print,
    now: () => 0,
  };
}

Deno.test("echo command serves on a free port until a signal", async () => {
  const printed = Promise.withResolvers<string>();
  const program = new Command();
  addEchoCommands(program, worldOf(printed.resolve));
  const run = program.parseAsync(["echo", "--listen", "127.0.0.1:0"], { from: "user" });
  const url = /http:\S+$/.exec(await printed.promise)![0];
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify(sampleRequest("openai-chat")),
  });
  assert.equal((await answer.json()).choices[0].message.content, "hello wide world");
  Deno.kill(Deno.pid, "SIGTERM");
  await run;
});

Deno.test("echo command lists every model in its help", () => {
  let help = "";
  const program = new Command().configureOutput({ writeOut: (text) => void (help += text) });
  addEchoCommands(program, worldOf(() => {}));
  program.commands[0]!.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
  for (const { name } of MODELS) assert(help.includes(name), name);
});

Deno.test("echo command names an address it cannot listen on", async () => {
  const program = new Command();
  addEchoCommands(program, worldOf(() => {}));
  const run = (address: string) =>
    program.parseAsync(["echo", "--listen", address], { from: "user" });
  await assert.rejects(run("nowhere"), ExitError);
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await assert.rejects(run(`127.0.0.1:${taken.addr.port}`), /Cannot listen on 127\.0\.0\.1/);
});

Deno.test("listen addresses are parsed, or refused", () => {
  assert.deepEqual(listenOption("localhost:80"), { hostname: "localhost", port: 80 });
  assert.deepEqual(listenOption("[::1]:0"), { hostname: "::1", port: 0 });
  assert.deepEqual(listenOption(":8080"), { hostname: "0.0.0.0", port: 8080 });
  for (const bad of ["", "80", "a:b", "a:70000", "::1:80", "http://a:1"]) {
    assert.throws(() => listenOption(bad), ExitError, bad);
  }
});

Deno.test("served echo answers only POST, and only its paths", async () => {
  const server = serveEcho(echoUpstream, { hostname: "127.0.0.1", port: 0 });
  const status = async (path: string, method: string) => {
    const response = await fetch(server.url + path, { method });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await status("/v1/messages/count_tokens", "POST"), 404);
  assert.equal(await status("/v1/responses", "GET"), 405);
  assert.equal(await status("/deep/base/v1/messages", "POST"), 400);
  await server.stop();
});
