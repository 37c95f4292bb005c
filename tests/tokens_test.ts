import assert from "node:assert/strict";
import { makeToken, tokenDigestHex, tokenKey } from "@/core/tokens.ts";

const LABELS = { issuer: "pointsman", user: "ana", project: "shop", environment: "prod" };
const NOW = Date.UTC(2026, 10, 20, 23, 59);

Deno.test("token holds its labels and 43 digits of secret", () => {
  const { token, tokenId, tokenSha256 } = makeToken({
    ...LABELS,
    key: "k20261120",
    secret: new Uint8Array(32).fill(255),
  });
  assert.equal(tokenId, "rtr_pointsman_ana_shop_prod_k20261120");
  // 2^256 - 1 in base 62
  const secret = token.slice(tokenId.length + 1);
  assert.match(secret, /^[0-9A-Za-z]{43}$/);
  assert.equal(token, `${tokenId}_${secret}`);
  assert.equal(tokenSha256, tokenDigestHex(token));
});

Deno.test("token secret is one number in base 62, padded on the left", () => {
  const secret = new Uint8Array(32);
  secret.set([1, 0], 30);
  const { token } = makeToken({ ...LABELS, key: "k", secret });
  assert.equal(token.split("_").at(-1), "48".padStart(43, "0"));
});

Deno.test("token labels are lower-case, other runs become hyphens, and 32 characters at most", () => {
  const { tokenId } = makeToken({
    issuer: "pointsman",
    user: "Ana.Lee@Example_Org",
    project: "x".repeat(40),
    environment: "prod",
    key: "k",
    secret: new Uint8Array(32),
  });
  assert.equal(tokenId, `rtr_pointsman_ana-lee-example-org_${"x".repeat(32)}_prod_k`);
});

Deno.test("token refuses a secret of another length", () => {
  assert.throws(
    () => makeToken({ ...LABELS, key: "k", secret: new Uint8Array(16) }),
    /Cannot make a token: a secret of 16 bytes, not 32/,
  );
});

Deno.test("token digest is SHA-256 in hex", () => {
  const token = `rtr_pointsman_demo_demo_dev_kdemo_${"A".repeat(43)}`;
  assert.equal(
    tokenDigestHex(token),
    "074a3c309e657690bd44f0c204410435812df98b08090025b42e503629f66dbb",
  );
});

Deno.test("token key is the UTC date, then b, c and so on", () => {
  const taken = new Set<string>();
  const keys = Array.from({ length: 28 }, () => {
    const key = tokenKey(LABELS, NOW, taken);
    taken.add(`rtr_pointsman_ana_shop_prod_${key}`);
    return key;
  });
  assert.deepEqual(keys.slice(0, 3), ["k20261120", "k20261120b", "k20261120c"]);
  assert.deepEqual(keys.slice(25), ["k20261120z", "k20261120aa", "k20261120ab"]);
  assert.equal(tokenKey({ ...LABELS, environment: "dev" }, NOW, taken), "k20261120");
});
