import { ExitError, type World } from "./command.ts";
import { configPath, loadForCommand } from "./config_option.ts";
import { parseDuration } from "./config/duration.ts";
import { addCaller, callerAt, callerYaml, changeCaller } from "./config/edit_callers.ts";
import { loadConfig, type LoadResult } from "./config/load.ts";
import type { Parts } from "./config/parts.ts";
import { formatProblems } from "./config/problem.ts";
import type { Config } from "./config/schema.ts";
import type { CallerConfig } from "./config/schema_accounts.ts";
import { diskSources } from "./config/sources.ts";
import type { CallerEntry } from "./config/splice_callers.ts";
import { replaceFile, writeNew } from "./config/write.ts";
import { DAY_MS } from "./period.ts";
import { makeToken, type Token, tokenKey } from "./tokens.ts";

interface ChangeOptions {
  readonly config?: string;
  readonly out?: string;
  readonly write?: true;
  readonly json?: true;
}

/** Flags of `tokens generate`. */
export interface GenerateOptions extends ChangeOptions {
  readonly ownerUser: string;
  readonly project: string;
  readonly env: string;
  /** Groups, separated by commas. */
  readonly allow: string;
  readonly id?: string;
  readonly expires?: string;
}

/** Flags of `tokens rotate`. */
export interface RotateOptions extends ChangeOptions {
  readonly id: string;
  readonly grace: string;
}

/** Flags of `tokens revoke`. */
export interface RevokeOptions extends ChangeOptions {
  readonly id: string;
}

const MAX_GRACE_MS = 30 * DAY_MS;
const MAX_PREVIOUS = 2;

/** A change of the configuration, worked out and checked but not made. */
interface Change {
  readonly token: Token | null;
  /** Of the caller among `callers`, once the change is made. */
  readonly index: number;
  /** What it is, for people; the path of the configuration follows. */
  readonly done: string;
  apply(text: string): string;
}

/** Makes a caller with a fresh token. */
export function generateToken(options: GenerateOptions, world: World, parts: Parts): void {
  const { config } = loadForCommand(options.config, world, parts);
  const id = options.id ?? freeId(config, `${options.project}-${options.env}`);
  const owner = { user: options.ownerUser, project: options.project, environment: options.env };
  const token = freshToken(config, owner, world);
  const caller: CallerEntry = {
    id,
    owner_user: options.ownerUser,
    project: options.project,
    environment: options.env,
    expires_at: options.expires,
    token_id: token.tokenId,
    token_sha256: token.tokenSha256,
    allow: options.allow.split(",").map((group) => group.trim()).filter(Boolean),
  };
  const index = config.callers.length;
  const done = `Caller "${id}" added to`;
  finish({ token, index, done, apply: (text) => addCaller(text, caller) }, options, world, parts);
}

/** Gives a caller a fresh token; the old one stays valid for the grace. */
export function rotateToken(options: RotateOptions, world: World, parts: Parts): void {
  const grace = parseDuration(options.grace);
  if (grace === null || grace > MAX_GRACE_MS) {
    throw new ExitError(2, `Cannot rotate: --grace "${options.grace}" is not 0s to 30d`);
  }
  const { config } = loadForCommand(options.config, world, parts);
  const [index, caller] = findCaller(config, options.id);
  const now = world.now();
  const { owner_user: user, project, environment } = caller;
  const token = freshToken(config, { user, project, environment }, world);
  const changes: CallerEntry = {
    token_sha256: token.tokenSha256,
    token_id: token.tokenId,
    previous_tokens: previousTokens(caller, now, grace),
  };
  const apply = (text: string) => changeCaller(text, index, changes);
  const old = grace === 0 ? "no more" : `until ${new Date(now + grace).toISOString()}`;
  const done = `Caller "${caller.id}" has a new token, and its old one ${old}, in`;
  finish({ token, index, done, apply }, options, world, parts);
}

/** Disables a caller. */
export function revokeToken(options: RevokeOptions, world: World, parts: Parts): void {
  const { config } = loadForCommand(options.config, world, parts);
  const [index, { id }] = findCaller(config, options.id);
  const changes: CallerEntry = { status: "disabled", previous_tokens: undefined };
  const apply = (text: string) => changeCaller(text, index, changes);
  const done = `Caller "${id}" disabled in`;
  finish({ token: null, index, done, apply }, options, world, parts);
}

/** The previous tokens that stay, with the current one in front for the grace. */
function previousTokens(caller: CallerConfig, now: number, grace: number) {
  const valid = caller.previous_tokens.filter(({ valid_until }) => valid_until.getTime() > now);
  const { token_sha256, token_id } = caller;
  const current = { token_sha256, token_id, valid_until: new Date(now + grace) };
  const kept = [...(grace > 0 ? [current] : []), ...valid];
  if (kept.length > MAX_PREVIOUS) {
    const message = `Cannot rotate: caller "${caller.id}" already has ${MAX_PREVIOUS} previous ` +
      "tokens that are valid; use --grace 0s, or wait";
    throw new ExitError(1, message);
  }
  return kept.length > 0 ? kept.map(writtenToken) : undefined;
}

function writtenToken(token: CallerConfig["previous_tokens"][number]): CallerEntry {
  return {
    token_sha256: token.token_sha256,
    ...(token.token_id === undefined ? {} : { token_id: token.token_id }),
    valid_until: token.valid_until.toISOString(),
  };
}

function findCaller(config: Config, id: string): readonly [number, CallerConfig] {
  const wanted = id.trim().toLowerCase();
  const index = config.callers.findIndex((caller) => caller.id === wanted);
  const caller = config.callers[index];
  if (caller) return [index, caller];
  throw new ExitError(1, `Cannot find a caller: none has the id "${wanted}"`);
}

function freeId(config: Config, wanted: string): string {
  const taken = new Set(config.callers.map(({ id }) => id));
  let id = wanted.toLowerCase();
  for (let repeat = 2; taken.has(id); repeat++) id = `${wanted.toLowerCase()}-${repeat}`;
  return id;
}

interface Owner {
  readonly user: string;
  readonly project: string;
  readonly environment: string;
}

function freshToken(config: Config, owner: Owner, world: World): Token {
  const taken = new Set(
    config.callers.flatMap(({ token_id, previous_tokens }) => [
      token_id ?? "",
      ...previous_tokens.map((token) => token.token_id ?? ""),
    ]),
  );
  const labels = { issuer: config.server.token_issuer, ...owner };
  const secret = crypto.getRandomValues(new Uint8Array(32));
  return makeToken({ ...labels, key: tokenKey(labels, world.now(), taken), secret });
}

/** Checks a change, makes it when asked to, and says what came of it. */
function finish(change: Change, options: ChangeOptions, world: World, parts: Parts): void {
  const path = configPath(options.config, world);
  const text = change.apply(Deno.readTextFileSync(path));
  const tried = tryOut(path, text, world, parts);
  if (!tried.ok) throw new ExitError(1, formatProblems(tried.problems));
  // Worked out first: what fails in between must not take the only copy of the token with it.
  const said = saying(change, text, { ...options, path });
  if (change.token && options.out !== undefined) writeToken(options.out, change.token);
  if (options.write) replaceFile(path, text);
  world.print(said);
}

/** Loads a text as if it stood in the file. */
function tryOut(path: string, text: string, world: World, parts: Parts): LoadResult {
  const disk = diskSources(world);
  const readFile = (file: string) => {
    const found = disk.readFile(file);
    return found && file === path ? { ...found, text } : found;
  };
  return loadConfig(path, { ...disk, readFile }, parts);
}

function writeToken(out: string, { token }: Token): void {
  try {
    writeNew(out, `${token}\n`, 0o600);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new ExitError(1, `Cannot write the token: ${out} exists, and is never overwritten`);
  }
}

/** What is said of a change, made or not. */
function saying(
  { token, index, done }: Change,
  text: string,
  { json, out, path, write }: ChangeOptions & { readonly path: string },
): string {
  if (json) return facts(token, callerAt(text, index), out);
  const shown = token
    ? [out === undefined ? `Token, shown only now: ${token.token}` : `Token written to ${out}`]
    : [];
  return [...shown, write ? `${done} ${path}` : pasted(callerAt(text, index), path)].join("\n");
}

function facts(token: Token | null, caller: CallerEntry, out: string | undefined): string {
  if (!token) return JSON.stringify({ caller }, null, 2);
  const { tokenId: token_id, tokenSha256: token_sha256 } = token;
  const shown = out === undefined ? token.token : null;
  return JSON.stringify({ token: shown, token_id, token_sha256, caller }, null, 2);
}

function pasted(caller: CallerEntry, path: string): string {
  return `Nothing is active yet. Put this into ${path}, or use --write:\n\n${callerYaml(caller)}`;
}
