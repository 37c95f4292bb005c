import assert from "node:assert/strict";
import { crossings } from "../docs/bridge_matrix.ts";

Deno.test("no field is lost on a bridge without a word", () => {
  const lost = crossings().filter(({ fate }) => fate === "lost");
  assert.deepEqual(lost.map(({ from, to, field }) => `${from}>${to}: ${field}`), []);
});
