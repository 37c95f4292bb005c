import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { deflateRawSync, deflateSync, inflateRawSync, inflateSync } from "node:zlib";
import { parseJson } from "../parse_json.ts";
import type { GroupChoice, RouteContext, TargetView } from "../strategy.ts";
import { isSeenContext } from "./context_shape.ts";
import { namedContext, recordedContext, type SeenContext } from "./recorded_context.ts";

/** A context without its content and without what its configuration says, packed. */
export interface PackedContext {
  /** JSON in the order of `RouteContext`; raw DEFLATE of it in base64 where it is long. */
  readonly z: string;
  /** Of the JSON. */
  readonly bytes: number;
  /** Of the JSON, hex. */
  readonly sha256: string;
}

/** What the configuration says of a target: a `TargetView` without places and without what changes. */
export type TargetStatics = Omit<TargetView, "index" | "groupIndex" | "validation" | "signals">;

/** What the configuration of a group says to its decisions. */
export interface GroupStatics extends GroupChoice {
  /** By `groupIndex`. */
  readonly targets: Readonly<Record<string, TargetStatics>>;
}

/** A record that cannot be read: it was changed, or what it needs is not there. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}

/**
 * Contexts are a few kilobytes: a larger window, and larger buffers, only cost time. A preset dictionary
 * would change nothing (Deno 2.9.6 ignores it), and the format on the day it does not.
 */
const PACKING = { level: 3, windowBits: 13, memLevel: 5, chunkSize: 4_096 };

/** A record is a few kilobytes; one that unpacks to far more was made by somebody else. */
const UNPACKING = { ...PACKING, maxOutputLength: 16 * 2 ** 20 };

/** A longer one is packed: it takes as long as all else that is done with it, to save half of its bytes. */
const MAX_PLAIN_CHARS = 4_096;

/** Packs what a decision saw, but for its content. */
export function packContext(context: RouteContext): PackedContext {
  return packJson(JSON.stringify(recordedContext(context)));
}

/** Packs a `RecordedContext` that is JSON already. */
export function packJson(json: string): PackedContext {
  const isPlain = json.length <= MAX_PLAIN_CHARS;
  return {
    z: isPlain ? json : deflateRawSync(json, PACKING).toString("base64"),
    bytes: Buffer.byteLength(json),
    sha256: hash("sha256", json, "hex"),
  };
}

/**
 * The context of a record, as the decision saw it but for its content.
 *
 * @throws {RecordError} when the record was changed, or the group had no such target
 */
export function unpackContext(
  { z, sha256 }: Pick<PackedContext, "z" | "sha256">,
  { targets }: Pick<GroupStatics, "targets">,
): RouteContext {
  const context = parseContext(z, sha256);
  return {
    ...context,
    targets: context.targets.map(({ groupIndex, validation, signals }, index) => {
      const statics = targets[groupIndex];
      if (!statics) throw new RecordError("Cannot read a record: its target is not configured");
      // A literal that begins with a spread is a plain copy.
      return { ...placed(statics, groupIndex), index, groupIndex, validation, signals };
    }),
  };
}

/** Made once each: the same statics stand for a target in many records. */
const placedTargets = new WeakMap<TargetStatics, Omit<TargetView, "validation" | "signals">>();

/** A target in the order of members that a decision saw. */
function placed(statics: TargetStatics, groupIndex: number) {
  let target = placedTargets.get(statics);
  if (!target) placedTargets.set(statics, target = { index: 0, groupIndex, ...statics });
  return target;
}

function parseContext(z: string, sha256: string): SeenContext {
  // No base64 begins so.
  const json = z.startsWith("{")
    ? z
    : inflated(() => inflateRawSync(Buffer.from(z, "base64"), UNPACKING)).toString();
  if (hash("sha256", json, "hex") !== sha256) {
    throw new RecordError("Cannot read a record: it is not what was written");
  }
  const context = namedContext(parsed(json));
  if (isSeenContext(context)) return context;
  throw new RecordError("Cannot read a record: it is no context");
}

/** Packs what a configuration says of a group; the packing has a checksum of its own. */
export function packStatics(statics: GroupStatics): string {
  return deflateSync(JSON.stringify(statics), PACKING).toString("base64");
}

/**
 * What a configuration said of a group.
 *
 * @throws {RecordError} when it was changed
 */
export function unpackStatics(z: string): GroupStatics {
  return parsed(inflated(() => inflateSync(Buffer.from(z, "base64"), UNPACKING)).toString());
}

function parsed(json: string) {
  try {
    return parseJson(json);
  } catch (cause) {
    throw new RecordError("Cannot read a record: it is no JSON", { cause });
  }
}

function inflated(inflate: () => Buffer): Buffer {
  try {
    return inflate();
  } catch (cause) {
    throw new RecordError("Cannot read a record: it is not what was written", { cause });
  }
}
