import type {
  ChatRequest,
  ChatResponse,
  CustomTool,
  Message,
  Part,
  PartOf,
  StreamEvent,
  Tool,
  ToolChoice,
} from "./chat.ts";
import type { JsonObject } from "./json.ts";
import type { Stepper } from "./stream.ts";
import {
  readToolInput,
  type ToolInputReader,
  unwrapToolInput,
  wrapToolInput,
} from "./tool_input.ts";
import {
  createTable,
  ownerOf,
  type OwnTool,
  type ToolLimits,
  type ToolName,
  type ToolTable,
  wireId,
  wireName,
} from "./tool_names.ts";
import type { FieldEvent } from "./wire.ts";

/** A request whose tools a wire can hold, and the way back. */
export interface LoweredTools {
  readonly request: ChatRequest;
  readonly events: readonly FieldEvent[];
  /** Gives the calls of a reply back their own names and form. */
  restore(response: ChatResponse): ChatResponse;
  /** The same for a stream. */
  restoreStream(): Stepper<StreamEvent, StreamEvent>;
}

type CallPart = PartOf<"tool_call">;

/** Parameters of a tool of free text in function form. */
const INPUT_SCHEMA: JsonObject = {
  type: "object",
  properties: { input: { type: "string" } },
  required: ["input"],
  additionalProperties: false,
};

/**
 * Brings tools, calls and results of a request within what a wire can hold. The same beginning of a
 * conversation gives the same names and ids on every turn and in every process.
 *
 * @example Usage
 * ```ts
 * import type { ChatRequest } from "@/core/chat.ts";
 * import { lowerTools } from "@/core/tool_table.ts";
 *
 * const request: ChatRequest = {
 *   model: "fast", instructions: [], messages: [], output: { type: "text" }, stop: [], sampling: {},
 *   stream: false, includeUsage: false, cacheAuto: false, extra: {},
 *   tools: [{ form: "custom", name: "patch", extra: {} }],
 * };
 * const limits = { custom: false, namespaces: false, callId: /^.{1,40}$/s };
 * const [tool] = lowerTools(request, limits).request.tools;
 * if (tool?.form !== "function") throw new Error("Cannot bring the tool into function form");
 * ```
 */
export function lowerTools(request: ChatRequest, limits: ToolLimits): LoweredTools {
  const table = createTable(request, limits);
  const tools = mapKept(request.tools, (tool) => lowerTool(tool, table));
  const messages = mapKept(request.messages, (message) => lowerMessage(message, table));
  const choice = request.toolChoice && lowerChoice(request.toolChoice, table);
  const events: FieldEvent[] = [];
  if (tools !== request.tools) events.push(rewritten("tools"));
  if (choice !== request.toolChoice) events.push(rewritten("tool_choice"));
  if (messages !== request.messages) events.push(rewritten("tool_calls"));
  const lowered = { ...request, tools, messages, ...(choice && { toolChoice: choice }) };
  return {
    request: events.length === 0 ? request : lowered,
    events,
    restore(response) {
      const parts = mapKept(response.parts, (part) => restorePart(part, table));
      return parts === response.parts ? response : { ...response, parts };
    },
    restoreStream: () => restoreStream(table),
  };
}

function lowerTool(tool: Tool, table: ToolTable): Tool {
  if (tool.form === "opaque") return tool;
  const { name, namespace } = wireName(tool, table);
  if (tool.form === "custom" && !table.limits.custom) {
    const description = describeInput(tool);
    const named = { name, ...(namespace !== undefined && { namespace }) };
    return {
      form: "function",
      ...named,
      ...(description !== "" && { description }),
      parameters: INPUT_SCHEMA,
      ...(tool.cache && { cache: tool.cache }),
      extra: tool.extra,
    };
  }
  return renamed(tool, { name, ...(namespace !== undefined && { namespace }) });
}

/** The description, with the grammar that function form has no place for. */
function describeInput({ description = "", format }: CustomTool): string {
  if (format?.type !== "grammar") return description;
  const rule = `Input must match this ${format.syntax} grammar:\n${format.definition}`;
  return description === "" ? rule : `${description}\n\n${rule}`;
}

function lowerMessage(message: Message, table: ToolTable): Message {
  const parts = mapKept(message.parts, (part) => lowerPart(part, table));
  return parts === message.parts ? message : { ...message, parts };
}

function lowerPart(part: Part, table: ToolTable): Part {
  if (part.type === "tool_result") {
    const callId = wireId(part.callId, table.limits);
    const form = table.limits.custom ? part.form : "function";
    return callId === part.callId && form === part.form ? part : { ...part, callId, form };
  }
  if (part.type !== "tool_call") return part;
  const id = wireId(part.id, table.limits);
  const call = renamed(id === part.id ? part : { ...part, id }, wireName(part, table));
  if (call.form === "function" || table.limits.custom) return call;
  return { ...call, form: "function", input: wrapToolInput(call.input) };
}

function lowerChoice(choice: ToolChoice, table: ToolTable): ToolChoice {
  if (choice.mode === "allowed") {
    const tools = mapKept(choice.tools, (tool) => renamed(tool, wireName(tool, table)));
    return tools === choice.tools ? choice : { ...choice, tools };
  }
  if (choice.mode !== "tool") return choice;
  const form = table.limits.custom ? choice.form : "function";
  const named = renamed(choice, wireName(choice, table));
  return form === named.form ? named : { ...named, form };
}

/** The same thing under another name; itself when that changes nothing. */
function renamed<Named extends ToolName>(thing: Named, { name, namespace }: ToolName): Named {
  if (thing.name === name && thing.namespace === namespace) return thing;
  const { namespace: _, ...rest } = thing;
  return { ...rest, name, ...(namespace !== undefined && { namespace }) } as Named;
}

function restorePart(part: Part, table: ToolTable): Part {
  if (part.type !== "tool_call") return part;
  const owner = ownerOf(part, table);
  if (!owner) return part;
  const call = renamed(part, owner);
  if (!isWrapped(part, owner)) return call;
  return { ...call, form: "custom", input: unwrapToolInput(part.input) };
}

function isWrapped(call: Pick<CallPart, "form">, owner: OwnTool): boolean {
  return call.form === "function" && owner.form === "custom";
}

function restoreStream(table: ToolTable): Stepper<StreamEvent, StreamEvent> {
  /** `null`: the text has ended before its part did. */
  const readers = new Map<number, ToolInputReader | null>();

  function start(event: StreamEvent & { readonly type: "part_start" }): StreamEvent {
    const { index, part } = event;
    if (part.type !== "tool_call") return event;
    const owner = ownerOf(part, table);
    if (!owner) return event;
    const call = renamed(part, owner);
    if (!isWrapped(part, owner)) return { type: "part_start", index, part: call };
    readers.set(index, readToolInput());
    return { type: "part_start", index, part: { ...call, form: "custom" } };
  }

  return {
    step(event) {
      if (event.type === "part_start") return [start(event)];
      if (readers.size === 0) return [event];
      if (event.type !== "part_delta" && event.type !== "part_end") return [event];
      const { index } = event;
      const reader = readers.get(index);
      if (reader === undefined) return [event];
      const ends = event.type === "part_end";
      if (ends) readers.delete(index);
      if (reader === null) return [];
      const text = ends ? reader.end() : reader.push(event.text);
      const deltas = text === "" ? [] : [{ type: "part_delta", index, text } as const];
      if (ends) return [...deltas, event];
      if (!reader.closed()) return deltas;
      readers.set(index, null);
      return [...deltas, { type: "part_end", index }];
    },
    end: () => [],
  };
}

/** Maps a list; gives the same list when every item stays itself. */
function mapKept<Item>(items: readonly Item[], map: (item: Item) => Item): readonly Item[] {
  const mapped = items.map(map);
  return mapped.every((item, index) => item === items[index]) ? items : mapped;
}

function rewritten(field: string): FieldEvent {
  return { field, action: "rewritten", reason: "target-limit" };
}
