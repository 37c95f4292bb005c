import { hash } from "node:crypto";

/** What a token is made of; the labels are public. */
export interface TokenParts {
  readonly issuer: string;
  readonly user: string;
  readonly project: string;
  readonly environment: string;
  /** As `tokenKey` gives it. */
  readonly key: string;
  /** 32 bytes of a cryptographic source. */
  readonly secret: Uint8Array;
}

/** A token and what is stored of it. */
export interface Token {
  /** `rtr_<issuer>_<user>_<project>_<env>_<key>_<secret>`; shown once, stored nowhere. */
  readonly token: string;
  /** Everything before the last `_`: public. */
  readonly tokenId: string;
  /** Lower-case hex SHA-256 of the whole token. */
  readonly tokenSha256: string;
}

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_BYTES = 32;
const SECRET_DIGITS = 43;

/**
 * Makes a token.
 *
 * @throws {RangeError} the secret is not 32 bytes
 *
 * @example Usage
 * ```ts
 * import { makeToken } from "@/core/tokens.ts";
 *
 * const { tokenId } = makeToken({ issuer: "pointsman", user: "Ana Lee", project: "shop",
 *   environment: "prod", key: "k20261120", secret: new Uint8Array(32) });
 * if (tokenId !== "rtr_pointsman_ana-lee_shop_prod_k20261120") throw new Error("Cannot make it");
 * ```
 */
export function makeToken(parts: TokenParts): Token {
  const tokenId = [...labels(parts), parts.key].join("_");
  const token = `${tokenId}_${base62(parts.secret)}`;
  return { token, tokenId, tokenSha256: tokenDigestHex(token) };
}

/** The public part of a token: everything before its last `_`. */
export function tokenIdOf(token: string): string {
  return token.slice(0, Math.max(0, token.lastIndexOf("_")));
}

/** Lower-case hex SHA-256 of a token: what the configuration holds and look-ups use. */
export function tokenDigestHex(token: string): string {
  return hash("sha256", token, "hex");
}

/**
 * The key part of the next token: `k` and the UTC date, then with `b`, `c`, ... when it is taken.
 *
 * @param now epoch ms
 * @param taken token ids that are in use
 */
export function tokenKey(
  parts: Omit<TokenParts, "key" | "secret">,
  now: number,
  taken: ReadonlySet<string>,
): string {
  const day = `k${new Date(now).toISOString().slice(0, 10).replaceAll("-", "")}`;
  const prefix = labels(parts).join("_");
  let key = day;
  for (let repeat = 1; taken.has(`${prefix}_${key}`); repeat++) key = day + letters(repeat);
  return key;
}

function labels({ issuer, user, project, environment }: Omit<TokenParts, "key" | "secret">) {
  return ["rtr", ...[issuer, user, project, environment].map(label)];
}

/** An id as part of a token: lower-case, other runs become `-`, at most 32 characters. */
function label(id: string): string {
  return id.toLowerCase().replace(/[^a-z0-9-]+/g, "-").slice(0, 32);
}

/** 1 is `b`, 25 `z`, 26 `aa`: the plain date counts as `a`. */
function letters(repeat: number): string {
  const letter = String.fromCharCode(97 + repeat % 26);
  return repeat < 26 ? letter : letters(Math.floor(repeat / 26) - 1) + letter;
}

/** 32 bytes as one number in base 62, left-padded to 43 digits. */
function base62(secret: Uint8Array): string {
  if (secret.length !== SECRET_BYTES) {
    throw new RangeError(`Cannot make a token: a secret of ${secret.length} bytes, not 32`);
  }
  let number = secret.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  let text = "";
  while (number > 0n) {
    text = DIGITS.charAt(Number(number % 62n)) + text;
    number /= 62n;
  }
  return text.padStart(SECRET_DIGITS, "0");
}
