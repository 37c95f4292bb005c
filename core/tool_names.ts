import { hash } from "node:crypto";
import type { ChatRequest, Part, PartOf, ToolForm } from "./chat.ts";

/** What a wire can hold of tools. */
export interface ToolLimits {
  /** Whether tools may take free text; else they cross in function form. */
  readonly custom: boolean;
  /** Whether tools may have a namespace; else it becomes part of the name. */
  readonly namespaces: boolean;
  /** What a call id must match. */
  readonly callId: RegExp;
}

/** A tool as its owner knows it. */
export interface OwnTool {
  readonly name: string;
  readonly namespace?: string;
  readonly form: ToolForm;
}

/** A tool's name, wherever it stands. */
export type ToolName = Pick<OwnTool, "name" | "namespace">;

/** Names of a request's tools on the wire, and back. */
export interface ToolTable {
  readonly limits: ToolLimits;
  readonly wireNames: ReadonlyMap<string, string>;
  readonly owners: ReadonlyMap<string, OwnTool>;
}

/** Tool names that every wire takes. */
const WIRE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Gives every tool of a request a name on the wire: the offered ones first, then those that only
 * history knows, in order of appearance.
 */
export function createTable(request: ChatRequest, limits: ToolLimits): ToolTable {
  const offered = request.tools.flatMap((tool) => tool.form === "opaque" ? [] : [tool]);
  const wireNames = new Map<string, string>();
  const owners = new Map<string, OwnTool>();
  const add = (tool: OwnTool, name: string) => {
    wireNames.set(keyOf(tool), name);
    owners.set(name, ownTool(tool));
  };
  // A name that needs no change is never taken away from its tool.
  for (const tool of offered) {
    const flat = flatName(tool, limits);
    if (flat === tool.name && WIRE_NAME.test(flat) && !owners.has(flat)) add(tool, flat);
  }
  const called = request.messages.flatMap(({ parts }) => parts.filter(isCall));
  for (const tool of [...offered, ...called]) {
    if (!wireNames.has(keyOf(tool))) add(tool, freeName(tool, limits, owners));
  }
  return { limits, wireNames, owners };
}

/** A key that no other tool has, whatever its name holds. */
function keyOf({ name, namespace }: ToolName): string {
  return namespace === undefined ? name : `${namespace}\0${name}`;
}

function ownTool({ name, namespace, form }: OwnTool): OwnTool {
  return { name, form, ...(namespace !== undefined && { namespace }) };
}

function flatName({ name, namespace }: ToolName, { namespaces }: ToolLimits): string {
  return namespace === undefined || namespaces ? name : `${namespace}__${name}`;
}

/** The name with foreign characters replaced; a long or taken one ends in 8 hex of its hash. */
function freeName(
  tool: ToolName,
  limits: ToolLimits,
  taken: ReadonlyMap<string, OwnTool>,
): string {
  const plain = flatName(tool, limits).replace(/[^A-Za-z0-9_-]/gu, "_");
  if (WIRE_NAME.test(plain) && !taken.has(plain)) return plain;
  for (let seed = keyOf(tool);; seed += "\0") {
    const name = `${plain.slice(0, 55)}_${sha256(seed).slice(0, 8)}`;
    if (!taken.has(name)) return name;
  }
}

/** The name of a tool on the wire; one that is neither offered nor called gets one by the same rule. */
export function wireName(tool: ToolName, { limits, wireNames, owners }: ToolTable): ToolName {
  const name = wireNames.get(keyOf(tool)) ?? freeName(tool, limits, owners);
  return limits.namespaces && tool.namespace !== undefined
    ? { name, namespace: tool.namespace }
    : { name };
}

/** A call id that the wire can hold. */
export function wireId(id: string, { callId }: ToolLimits): string {
  return callId.test(id) ? id : `call_${sha256(id).slice(0, 24)}`;
}

/** The tool that a call of the target means; `undefined` when the call names it as its owner does. */
export function ownerOf(
  call: Pick<PartOf<"tool_call">, "name" | "namespace" | "form">,
  { owners }: ToolTable,
): OwnTool | undefined {
  const owner = owners.get(call.name);
  if (!owner || call.namespace !== undefined) return undefined;
  const same = owner.name === call.name && owner.namespace === undefined;
  return same && owner.form === call.form ? undefined : owner;
}

function isCall(part: Part): part is PartOf<"tool_call"> {
  return part.type === "tool_call";
}

function sha256(text: string): string {
  return hash("sha256", text, "hex");
}
