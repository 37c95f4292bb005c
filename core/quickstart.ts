import { join } from "node:path";
import { publishFile } from "./config/write.ts";
import { makeToken, tokenDigestHex, tokenIdOf } from "./tokens.ts";

/** Randomness and time for a quickstart. */
export interface QuickstartIo {
  /** Bytes of a cryptographic source. */
  random(size: number): Uint8Array;
  /** Epoch ms. */
  now(): number;
}

/** What a quickstart serves. */
export interface Quickstart {
  readonly configPath: string;
  /** The token of its caller; `null` when the configuration is not one of ours. */
  readonly token: string | null;
  /** Group to try it with. */
  readonly group: string;
}

const GROUP = "demo";

/**
 * Makes a configuration that works at once, with a fresh token, unless there is one. Run again, both
 * are kept. Of several processes that start together, all end with the same two files.
 */
export function prepareQuickstart(dir: string, io: QuickstartIo): Quickstart {
  const configPath = join(dir, "config.yaml");
  const tokenPath = join(dir, "state", "quickstart.token");
  if (readIfThere(configPath) === null) {
    // The token comes first: whoever loses this race writes the config of the token that won.
    const token = readIfThere(tokenPath)?.trim() ?? publishToken(tokenPath, freshToken(io));
    publishFile(configPath, quickstartConfig(token), 0o600);
  }
  const token = readIfThere(tokenPath)?.trim() ?? null;
  const config = readIfThere(configPath) ?? "";
  const ours = token !== null && config.includes(tokenDigestHex(token));
  return { configPath, token: ours ? token : null, group: GROUP };
}

/** Writes a token unless another process just did; gives the one that is there. */
function publishToken(path: string, token: string): string {
  Deno.mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  return publishFile(path, `${token}\n`, 0o600) ? token : Deno.readTextFileSync(path).trim();
}

function freshToken(io: QuickstartIo): string {
  const day = new Date(io.now()).toISOString().slice(0, 10).replaceAll("-", "");
  return makeToken({
    issuer: "pointsman",
    user: "demo",
    project: "demo",
    environment: "dev",
    key: `k${day}`,
    secret: io.random(32),
  }).token;
}

function readIfThere(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The text of the configuration: an in-process upstream for each dialect, one group, one caller. */
function quickstartConfig(token: string): string {
  return `# A configuration to begin with. The running gateway takes changes by itself; to check one before:
# deno task pointsman config validate. Every key: docs/CONFIG.md.
server:
  listen: 127.0.0.1:8080
  default_model_group: ${GROUP}

# Upstreams. builtin:echo answers inside this process, without a key or a network.
# A real one:
#   acme:
#     base_url: https://api.acme.example/v1
#     dialect: openai-chat
#     api_key: \${ACME_KEY}
providers:
  echo-chat: { base_url: "builtin:echo", dialect: openai-chat }
  echo-responses: { base_url: "builtin:echo", dialect: openai-responses }
  echo-messages: { base_url: "builtin:echo", dialect: anthropic }

# Groups: what callers name instead of a model. A call goes to the targets that speak its dialect.
models:
  ${GROUP}:
    strategy: failover
    targets:
      - { provider: echo-chat, model: echo }
      - { provider: echo-responses, model: echo }
      - { provider: echo-messages, model: echo }

# Who may call. Only the hash of a token is kept; another caller:
# deno task pointsman tokens generate --help
callers:
  - id: demo
    environment: dev
    token_id: ${tokenIdOf(token)}
    token_sha256: ${tokenDigestHex(token)}
    allow: [${GROUP}]
`;
}

/** What a person who just started the gateway wants to read; `address` is `http://host:port`. */
export function quickstartBanner(address: string, token: string | null, group: string): string {
  if (token === null) {
    return `Pointsman listens on ${address}. config.yaml was there already and is served as it is.`;
  }
  const header = `-H 'authorization: Bearer ${token}'`;
  const json = "-H 'content-type: application/json'";
  const turns = `"messages":[{"role":"user","content":"Hello"}]`;
  return `Pointsman listens on ${address}. It serves config.yaml, and the token is in
state/quickstart.token. Ctrl-C stops it. Try it:

# Chat Completions
curl ${address}/v1/chat/completions ${header} ${json} -d '{"model":"${group}",${turns}}'

# Responses
curl ${address}/v1/responses ${header} ${json} -d '{"model":"${group}","input":"Hello"}'

# Messages
curl ${address}/v1/messages ${header} ${json} -H 'anthropic-version: 2023-06-01' -d '{"model":"${group}","max_tokens":64,${turns}}'
`;
}
