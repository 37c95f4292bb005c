import assert from "node:assert/strict";
import { authenticate, type AuthFailure, keyError, Unauthorized } from "@/core/auth.ts";
import type { Caller, Credential, Snapshot } from "@/core/snapshot.ts";
import { tokenDigestHex } from "@/core/tokens.ts";
import { callerOf, credentialOf, NOW } from "./builders.ts";

const TOKEN = `rtr_pointsman_ada_apollo_prod_k20261120_${"0".repeat(43)}`;
const OLD_TOKEN = `rtr_pointsman_ada_apollo_prod_k20261119_${"1".repeat(43)}`;
const KNOWN = credentialOf(TOKEN);
const OLD = credentialOf(OLD_TOKEN, { validUntil: NOW + 1 });

const PLAIN_TEXT = "any visible text".replaceAll(" ", "!").padEnd(20, "~");
const PLAIN = credentialOf(PLAIN_TEXT);

/** Of a snapshot, authentication reads the credentials. */
const SNAPSHOT = {
  credentials: new Map([
    [tokenDigestHex(TOKEN), KNOWN],
    [tokenDigestHex(OLD_TOKEN), OLD],
    [tokenDigestHex(PLAIN_TEXT), PLAIN],
  ]),
} as unknown as Snapshot;

const KNOWN_BY: readonly (readonly [string, Record<string, string>])[] = [
  ["a bearer token", { authorization: `Bearer ${TOKEN}` }],
  ["a bearer token with the scheme in any case", { authorization: `bEARER ${TOKEN}` }],
  ["a bearer token behind more spaces", { authorization: `Bearer   ${TOKEN}` }],
  ["x-api-key", { "x-api-key": TOKEN }],
  ["both headers when they are equal", { authorization: `Bearer ${TOKEN}`, "x-api-key": TOKEN }],
  ["x-api-key beside another scheme", { authorization: "Basic eDp5", "x-api-key": TOKEN }],
];

for (const [how, headers] of KNOWN_BY) {
  Deno.test(`caller is known by ${how}`, () => {
    assert.equal(authenticate(new Headers(headers), SNAPSHOT), KNOWN);
  });
}

Deno.test("caller is known by any 20 visible characters whose digest is configured", () => {
  assert.equal(authenticate(new Headers({ "x-api-key": PLAIN_TEXT }), SNAPSHOT), PLAIN);
});

Deno.test("caller is known by a token it had before, as that token", () => {
  assert.equal(authenticate(new Headers({ "x-api-key": OLD_TOKEN }), SNAPSHOT), OLD);
});

const UNKNOWN_BY: readonly (readonly [string, Record<string, string>, AuthFailure])[] = [
  ["nothing", {}, "missing"],
  ["another scheme", { authorization: `Basic ${TOKEN}` }, "missing"],
  ["a token without scheme", { authorization: TOKEN }, "missing"],
  ["a scheme without token", { authorization: "Bearer" }, "missing"],
  ["two different tokens", {
    authorization: `Bearer ${TOKEN}`,
    "x-api-key": OLD_TOKEN,
  }, "conflicting"],
  ["an empty key", { "x-api-key": "" }, "malformed"],
  ["19 characters", { "x-api-key": "x".repeat(19) }, "malformed"],
  ["513 characters", { "x-api-key": "x".repeat(513) }, "malformed"],
  ["a space inside", { "x-api-key": `${"x".repeat(20)} y` }, "malformed"],
  ["characters beyond ASCII", { "x-api-key": "é".repeat(20) }, "malformed"],
  ["an unknown token", { "x-api-key": `${TOKEN}x` }, "unknown"],
  ["a token's digest", { "x-api-key": tokenDigestHex(TOKEN) }, "unknown"],
];

for (const [how, headers, reason] of UNKNOWN_BY) {
  Deno.test(`nobody is known by ${how}: ${reason}`, () => {
    assert.throws(() => authenticate(new Headers(headers), SNAPSHOT), (error) => {
      assert(error instanceof Unauthorized);
      assert.deepEqual(
        [error.reason, error.type, error.status, error.message, error.details],
        [reason, "unauthorized", 401, "unauthorized", {}],
      );
      return true;
    });
  });
}

Deno.test("digest that differs from its entry's is unknown", () => {
  const mixed = new Map([[tokenDigestHex(TOKEN), { ...KNOWN, digest: OLD.digest }]]);
  assert.throws(
    () => authenticate(new Headers({ "x-api-key": TOKEN }), { ...SNAPSHOT, credentials: mixed }),
    Unauthorized,
  );
});

const KEYS: readonly (readonly [string, Partial<Caller>, Partial<Credential>, string | null])[] = [
  ["active", {}, {}, null],
  ["disabled", { status: "disabled" }, {}, "key-disabled"],
  ["removed", { status: "removed" }, {}, "key-disabled"],
  ["archived", { status: "archived" }, {}, "key-disabled"],
  ["suspended", { status: "suspended" }, {}, "key-suspended"],
  ["expired by status", { status: "expired" }, {}, "key-expired"],
  ["rotated by status", { status: "rotated" }, {}, "key-rotated"],
  ["about to expire", { expiresAt: NOW + 1 }, {}, null],
  ["expired this moment", { expiresAt: NOW }, {}, "key-expired"],
  ["rotated and still valid", {}, { validUntil: NOW + 1 }, null],
  ["rotated and over", {}, { validUntil: NOW }, "key-rotated"],
  ["disabled and expired", { status: "disabled", expiresAt: NOW - 1 }, {}, "key-disabled"],
];

for (const [state, caller, credential, type] of KEYS) {
  Deno.test(`key that is ${state} ${type === null ? "may call" : `is refused as ${type}`}`, () => {
    const error = keyError(credentialOf(TOKEN, { caller: callerOf(caller), ...credential }), NOW);
    assert.equal(error?.type ?? null, type);
    if (type !== null) assert.equal(error?.status, 403);
  });
}
