import { Buffer } from "node:buffer";
import type { WireFeatures } from "@/core/features.ts";
import { foldedKey, isObject, type Json, type JsonObject } from "@/core/json.ts";

/** Running counts of one walk over a request body. */
export interface Tally {
  asciiChars: number;
  otherChars: number;
  /** Code points of message content alone. */
  messageTextChars: number;
  turnCount: number;
  /** UTF-8 bytes of all text that counts as input. */
  textBytes: number;
  toolResults: number;
  /** A part asks its provider to cache what stands before it. */
  cacheMarks: boolean;
  imageCount: number;
  audioCount: number;
  fileCount: number;
  videoCount: number;
  mediaTokens: number;
  readonly imageUrls: string[];
}

/** The features that a tally gives. */
export type TalliedFeatures = Pick<
  WireFeatures,
  | "asciiChars"
  | "otherChars"
  | "textChars"
  | "messageTextChars"
  | "turnCount"
  | "hasToolResults"
  | "imageCount"
  | "audioCount"
  | "fileCount"
  | "mediaTokens"
  | "imageUrls"
  | "inputModalities"
>;

/** A tally of nothing. */
export function newTally(): Tally {
  return {
    asciiChars: 0,
    otherChars: 0,
    messageTextChars: 0,
    turnCount: 0,
    textBytes: 0,
    toolResults: 0,
    cacheMarks: false,
    imageCount: 0,
    audioCount: 0,
    fileCount: 0,
    videoCount: 0,
    mediaTokens: 0,
    imageUrls: [],
  };
}

/** Counts text that is input but no message content: names, arguments, schemas, reasoning. */
export function addText(tally: Tally, value: Json | undefined): void {
  if (typeof value !== "string" || value === "") return;
  const other = otherCodePoints(value);
  tally.otherChars += other.codePoints;
  tally.asciiChars += value.length - other.units;
  tally.textBytes += other.bytes;
}

/** Counts message content. */
export function addMessageText(tally: Tally, value: Json | undefined): void {
  const before = tally.asciiChars + tally.otherChars;
  addText(tally, value);
  tally.messageTextChars += tally.asciiChars + tally.otherChars - before;
}

/** Counts JSON as its text: a response schema, the arguments of a call. */
export function addJson(tally: Tally, value: Json | undefined): void {
  if (value !== undefined && value !== null) addText(tally, JSON.stringify(value));
}

/** Notes the marker of a cached prefix, if a part, a message or a tool has one. */
export function addCacheMark(tally: Tally, part: JsonObject): void {
  if (part["cache_control"]) tally.cacheMarks = true;
}

/** Members that hold a URL which a provider fetches, themselves or as their `url`. */
const FETCHED: ReadonlySet<string> = new Set(["image_url", "audio_url", "video_url", "file_url"]);

/**
 * Keeps the URLs of a part for admission, whatever type it says it is, or none: the servers people run
 * themselves go by its members, some of them in any case. Inline data is nothing to fetch; of an image it
 * is kept, to be judged.
 */
export function addUrls(tally: Tally, part: JsonObject): void {
  for (const key in part) {
    const member = foldedKey(key);
    const value = part[key];
    if (!FETCHED.has(member) && member !== "source") continue;
    if (isObject(value)) addUrlsIn(tally, member, value);
    // A source that is a text says where a text is from.
    else if (member !== "source") addUrl(tally, member, value);
  }
}

function addUrlsIn(tally: Tally, member: string, value: JsonObject): void {
  for (const key in value) if (foldedKey(key) === "url") addUrl(tally, member, value[key]);
}

function addUrl(tally: Tally, member: string, url: Json | undefined): void {
  if (typeof url !== "string") return;
  if (member === "image_url" || !/^data:/i.test(url)) tally.imageUrls.push(url);
}

/** Counts an image. */
export function addImage(tally: Tally): void {
  tally.imageCount++;
}

/** Counts an audio part by its base64 data. */
export function addAudio(tally: Tally, data: Json | undefined): void {
  tally.audioCount++;
  tally.mediaTokens += mediaTokens(data);
}

/** Counts a file part by its base64 data; without data it counts the least. */
export function addFile(tally: Tally, data: Json | undefined): void {
  tally.fileCount++;
  tally.mediaTokens += mediaTokens(data);
}

/** The features a tally gives. */
export function talliedFeatures(tally: Tally): TalliedFeatures {
  const { messageTextChars, turnCount, toolResults, imageUrls, mediaTokens } = tally;
  const { asciiChars, otherChars, imageCount, audioCount, fileCount, videoCount } = tally;
  const inputModalities = ["text"];
  if (imageCount > 0) inputModalities.push("image");
  if (audioCount > 0) inputModalities.push("audio");
  if (videoCount > 0) inputModalities.push("video");
  if (fileCount > 0) inputModalities.push("file");
  return {
    asciiChars,
    otherChars,
    textChars: asciiChars + otherChars,
    messageTextChars,
    turnCount,
    hasToolResults: toolResults > 0,
    imageCount,
    audioCount,
    fileCount,
    mediaTokens,
    imageUrls,
    inputModalities,
  };
}

/** Tokens of an audio or file part: decoded bytes / 50, at least 500. */
function mediaTokens(data: Json | undefined): number {
  if (typeof data !== "string") return 500;
  const comma = data.startsWith("data:") ? data.indexOf(",") + 1 : 0;
  const padding = data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0;
  const bytes = Math.floor((data.length - comma) * 3 / 4) - padding;
  return Math.max(500, Math.ceil(bytes / 50));
}

/** Non-ASCII content of a text, in code points and in UTF-16 units; `bytes` of all of it, as UTF-8. */
function otherCodePoints(text: string): { codePoints: number; units: number; bytes: number } {
  const bytes = Buffer.byteLength(text);
  const extraBytes = bytes - text.length;
  if (extraBytes === 0) return { codePoints: 0, units: 0, bytes };
  // Where non-ASCII is rare it is cheaper to cut the rest out than to look at every character.
  const dense = extraBytes * 32 > text.length;
  const rest = dense ? text : text.replace(/[^\u0080-\uffff]+/g, "");
  let units = 0;
  let codePoints = 0;
  for (let at = 0; at < rest.length; at++) {
    const code = rest.charCodeAt(at);
    if (code < 128) continue;
    units++;
    // The second half of a surrogate pair belongs to the first.
    if ((code & 0xfc00) !== 0xdc00) codePoints++;
  }
  return { codePoints, units, bytes };
}
