import { join } from "node:path";
import { accept, mayCall } from "@/core/accept.ts";
import { admit } from "@/core/admit.ts";
import type { Call, Parts } from "@/core/call.ts";
import { readWire } from "@/core/scan.ts";
import { settle } from "@/core/settle.ts";
import { median } from "./measure.ts";
import { configText, tokenOf, writeConfig } from "./processes.ts";
import { openQuietGateway } from "./quiet_gateway.ts";

/** Requests made before their admission is timed: few, so that each is as near as one that arrives. */
const BATCH = 50;
const ROUNDS = 5;
const URL = "http://127.0.0.1/v1/chat/completions";
const NOWHERE = "http://127.0.0.1:9";

const wire = readWire(
  new TextEncoder().encode(JSON.stringify({
    model: "bench",
    max_tokens: 100,
    messages: [{ role: "user", content: "Tell me about a number" }],
  })),
);

/** A gateway that nobody calls but the bench, from within. */
interface Engine extends AsyncDisposable {
  readonly parts: Parts;
  readonly callers: number;
}

async function openEngine(dir: string, callers: number, callerKeys: string): Promise<Engine> {
  const text = configText(NOWHERE, { callerKeys, callers });
  const path = await writeConfig(text, join(dir, `admission ${callers}`));
  const started = Promise.withResolvers<Parts>();
  const gateway = await openQuietGateway(path, [{
    name: "bench",
    routes: {},
    start: started.resolve,
    configure: () => {},
    stop: () => Promise.resolve(),
    onSettled: () => {},
    onShipped: () => {},
    onDenied: () => {},
  }]);
  return {
    parts: await started.promise,
    callers,
    [Symbol.asyncDispose]: () => gateway.stop(),
  };
}

/**
 * What it takes to admit a call, us: from the headers of its request to all it reserves, pace and
 * limits alike. Reading its body is not part of it. The middle of all batches: what else runs on the
 * machine, or collects garbage, meets only some.
 */
async function admission({ parts, callers }: Engine, calls: number): Promise<number> {
  const dialect = parts.dialects.get("openai-chat");
  const features = dialect.features(wire);
  const batches: number[] = [];
  for (let first = 0; first < calls; first += BATCH) {
    const requests = Array.from(
      { length: BATCH },
      (_, place) => requestOf((first + place) * 7_919 % callers),
    );
    const admitted: Call[] = [];
    const started = performance.now();
    for (const request of requests) {
      const arrival = { id: "req_bench", request, search: "", peer: "127.0.0.1" };
      const call = accept(parts, dialect, arrival);
      mayCall(parts, call);
      call.wire = wire;
      call.requestedModel = "bench";
      call.wireFeatures = features;
      void admit(parts, call);
      admitted.push(call);
    }
    batches.push((performance.now() - started) * 1_000 / BATCH);
    for (const call of admitted) {
      if (!call.admitted) throw new Error("Cannot measure: a call was not admitted at once");
      await settle(parts, call, { status: 200, error: null, partial: false, facts: null });
    }
  }
  return median(batches);
}

function requestOf(place: number): Request {
  const headers = { authorization: `Bearer ${tokenOf(place)}`, "content-type": "application/json" };
  return new Request(URL, { method: "POST", headers });
}

/** Prints what admission takes in a process that has one caller, and in one that has many. */
export async function admissions(
  dir: string,
  { callers, callerKeys }: { readonly callers: number; readonly callerKeys: string },
): Promise<void> {
  await using one = await openEngine(dir, 1, callerKeys);
  await using many = await openEngine(dir, callers, callerKeys);
  const rounds: (readonly [number, number])[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const took = [await admission(one, callers), await admission(many, callers)] as const;
    if (round > 0) rounds.push(took); // the first one warms up
  }
  const of = (side: 0 | 1) => median(rounds.map((round) => round[side])).toFixed(2);
  const ratio = median(rounds.map(([one, many]) => many / one)).toFixed(2);
  console.log(
    `${`admission alone, 1 / ${callers} callers`.padEnd(42)} us ${of(0)} / ${
      of(1)
    }   ratio ${ratio}`,
  );
}
