import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DIALECTS, startTestGateway } from "../gateway.ts";
import { readAnswer, send } from "../gateway_client.ts";
import { partial, sampleReply, startUpstream } from "../upstream.ts";
import { upToContent } from "./behaviours.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

for (const dialect of DIALECTS) {
  Deno.test(`a silent ${dialect} stream is ended in time, also after a garbage collection`, async () => {
    const begun = upToContent(await sampleReply(dialect, { stream: true }));
    await using upstream = await startUpstream(partial(begun, "silence"));
    await using gateway = await startTestGateway({
      upstreams: [upstream.url],
      group: { stream_idle_timeout_ms: 300 },
    });
    const response = await send(gateway.url, dialect, { stream: true });
    const collecting = setInterval(collectGarbage, 20);
    try {
      const answer = await readAnswer(response);
      assert.match(answer.text, /upstream-timeout|took too long/);
      assert.equal(await upstream.requests[0]!.ended, "aborted");
      assert.equal((await gateway.settled(1))[0]!["error_class"], "upstream_timeout");
    } finally {
      clearInterval(collecting);
    }
  });
}
