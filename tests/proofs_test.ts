import assert from "node:assert/strict";
import type { Proof } from "@/core/chat.ts";
import {
  encryptedContent,
  proofOfEncrypted,
  proofStanding,
  reasoningDetail,
  reasoningOfDetails,
} from "@/dialects/proofs.ts";

const SIGNED: Proof = { kind: "signature", dialect: "anthropic", value: "EqQB:Cg==" };
const REDACTED: Proof = { kind: "redacted", dialect: "anthropic", value: "EmwK" };
const ENCRYPTED: Proof = {
  kind: "encrypted",
  dialect: "openai-responses",
  value: "gAAA",
  id: "rs_1",
};

Deno.test("a proof is marked by its dialect in encrypted_content", () => {
  assert.deepEqual([SIGNED, REDACTED, ENCRYPTED].map(encryptedContent), [
    "anthropic:signature:EqQB:Cg==",
    "anthropic:redacted:EmwK",
    "gAAA",
  ]);
});

for (const proof of [SIGNED, REDACTED, ENCRYPTED]) {
  Deno.test(`a ${proof.kind} proof comes back from both spellings`, () => {
    assert.deepEqual(proofOfEncrypted(encryptedContent(proof), proof.id), proof);
    const text = proof.kind === "signature" ? "Hm" : "";
    const part = { type: "reasoning", text, summary: false, proof, extra: {} };
    assert.deepEqual(reasoningOfDetails([reasoningDetail(proof, text)]), [part]);
  });
}

Deno.test("details of others are no proofs", () => {
  const details = [
    { type: "reasoning.text", text: "a", signature: "s", format: "other" },
    { type: "reasoning.text", text: "b", signature: "" },
    { type: "reasoning.summary", summary: "c" },
    { type: "reasoning.encrypted" },
    7,
  ];
  const found = reasoningOfDetails(details).map(({ text, proof }) => [text, proof]);
  assert.deepEqual(found, [["a", undefined], ["b", undefined]]);
  assert.deepEqual(reasoningOfDetails("x"), []);
});

Deno.test("a proof is own only in the dialect that made it", () => {
  const part = { type: "reasoning", text: "", summary: false, extra: {} } as const;
  assert.equal(proofStanding({ ...part, proof: SIGNED }, "anthropic"), "own");
  assert.equal(proofStanding({ ...part, proof: SIGNED }, "openai-responses"), "foreign");
  assert.equal(proofStanding(part, "anthropic"), "unsigned");
});
