import assert from "node:assert/strict";
import fc from "fast-check";
import type { Finish, PartHead, StreamEvent } from "@/core/chat.ts";
import { stepAll } from "@/core/stream.ts";
import { failure } from "@/core/upstream_error.ts";
import { NO_USAGE } from "@/core/usage.ts";
import { serialParts } from "@/dialects/serial_parts.ts";

const STOP: Finish = { reason: "stop" };
const BROKEN: Finish = { reason: "error", error: failure("upstream_network") };

/** One letter each: `t` text, `c` function call, `f` freeform call; then the index. */
function head(letter: string): PartHead {
  if (letter === "t") return { type: "text" };
  const form = letter === "c" ? "function" : "custom";
  return { type: "tool_call", id: "call", name: "f", form };
}

/** Events in short: `c0` starts call 0, `0:x` is its delta, `0.` its end, `$` the end, `!` a break. */
function events(script: string): StreamEvent[] {
  return script.split(" ").map((word): StreamEvent => {
    if (word === "$" || word === "!") {
      const finish = word === "$" ? STOP : BROKEN;
      return { type: "message_end", finish, usage: NO_USAGE, extra: {} };
    }
    if (/^[tcf]\d$/.test(word)) {
      return { type: "part_start", index: Number(word[1]), part: head(word[0]!) };
    }
    const index = Number(word[0]);
    if (word[1] === ".") return { type: "part_end", index };
    return { type: "part_delta", index, text: word.slice(2) };
  });
}

function script(list: readonly StreamEvent[]): string {
  return list.map((event) => {
    switch (event.type) {
      case "part_start":
        return (event.part.type === "text" ? "t" : partLetter(event.part)) + event.index;
      case "part_delta":
        return `${event.index}:${event.text}`;
      case "part_end":
        return `${event.index}.`;
      default:
        return event.type === "message_end" && event.finish.reason === "error" ? "!" : "$";
    }
  }).join(" ");
}

function partLetter(part: PartHead): string {
  return part.type === "tool_call" && part.form === "custom" ? "f" : "c";
}

const serial = (text: string) => script(stepAll(events(text), serialParts()));

const CASES: readonly (readonly [name: string, given: string, gives: string])[] = [
  ["parts in sequence pass", "t0 0:a 0:b 0. c1 1:{} 1. $", "t0 0:a 0:b 0. c1 1:{} 1. $"],
  [
    "a part beside an open one waits for its end",
    "t0 0:a c1 1:{ 0:b 0. 1:} 1. $",
    "t0 0:a 0:b 0. c1 1:{ 1:} 1. $",
  ],
  [
    "a whole call closes when another part speaks",
    'c0 0:{"a": 0:"}"} c1 1:{} $',
    'c0 0:{"a": 0:"}"} 0. c1 1:{} 1. $',
  ],
  [
    "braces in strings and escapes close nothing",
    'c0 0:{"a":"}\\"} c1 1:{} 0:"} 1. 0. $',
    'c0 0:{"a":"}\\"} 0:"} 0. c1 1:{} 1. $',
  ],
  [
    "what follows a closed call is dropped",
    "c0 0:{} c1 0:x 0. 1:{} 1. $",
    "c0 0:{} 0. c1 1:{} 1. $",
  ],
  [
    "interleaved calls come whole, in order of start",
    "c0 c1 1:{ 0:{ 1:} 0:} 1. 0. $",
    "c0 0:{ 0:} 0. c1 1:{ 1:} 1. $",
  ],
  [
    "text that starts while a call is open waits",
    "c0 0:{ t1 1:hi 0:} 0. 1:! 1. $",
    "c0 0:{ 0:} 0. t1 1:hi 1:! 1. $",
  ],
  [
    "free text is never whole by itself",
    "f0 0:{} c1 1:{} 0:more 0. 1. $",
    "f0 0:{} 0:more 0. c1 1:{} 1. $",
  ],
  [
    "the end of the message closes what is open",
    "t0 0:a c1 1:{ t2 2:b $",
    "t0 0:a 0. c1 1:{ 1. t2 2:b 2. $",
  ],
  [
    "three waiting parts follow one another",
    "t0 c1 1:{} 1. c2 2:{} 2. t3 3:z 0. 3. $",
    "t0 0. c1 1:{} 1. c2 2:{} 2. t3 3:z 3. $",
  ],
  ["a break closes nothing", "t0 0:a c1 1:{ !", "t0 0:a !"],
];

for (const [name, given, gives] of CASES) {
  Deno.test(name, () => assert.equal(serial(given), gives));
}

Deno.test("deltas of the open part pass before the next event comes", () => {
  const stepper = serialParts();
  const passed = events("c0 0:{ c1 1:x 0:}").map((event) => [...stepper.step(event)].length);
  assert.deepEqual(passed, [1, 1, 0, 0, 1]);
});

Deno.test("any interleaving gives every part whole, in order of start, one at a time", () => {
  const plans = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 40 });
  fc.assert(fc.property(plans, (plan) => {
    const order = [...new Set(plan)];
    const seen = new Set<number>();
    const words = plan.flatMap((part, at) => {
      const index = order.indexOf(part);
      const start = seen.has(part) ? [] : [`${index % 2 ? "c" : "t"}${index}`];
      seen.add(part);
      return [...start, `${index}:${at}`];
    });
    const whole = order.map((part, index) => {
      const deltas = plan.flatMap((at, position) => at === part ? [`${index}:${position}`] : []);
      return [`${index % 2 ? "c" : "t"}${index}`, ...deltas, `${index}.`].join(" ");
    });
    assert.equal(serial([...words, "$"].join(" ")), [...whole, "$"].join(" "));
  }));
});
