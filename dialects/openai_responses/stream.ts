import type { FrameKind, Tap } from "@/core/dialect.ts";
import type { GatewayError } from "@/core/errors.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty } from "@/core/json.ts";
import type { UsageReport } from "@/core/usage.ts";
import { utf8Bytes } from "../content_bytes.ts";
import { faultOf, frameJson } from "../frame_json.ts";
import { upstreamBill } from "../upstream_bill.ts";
import { responseErrorCode } from "./errors.ts";
import { finishOf, isCall, itemBytes, itemsBytes, proofsOf, responseUsage } from "./reply.ts";

const PREAMBLE = /^response\.(created|queued|in_progress)$/;
const TERMINAL = /^response\.(completed|incomplete)$/;
/** Events that carry a piece of content; what closes one repeats it whole. */
const CONTENT =
  /^response\.(output_text|refusal|reasoning_summary_text|reasoning_text|function_call_arguments|custom_tool_call_input|mcp_call_arguments)\.(delta|done)$/;
const CLOSING_FIELDS = ["text", "refusal", "arguments", "input"] as const;

/** What a tap of Responses streams knows so far. */
interface State {
  /** The response as the provider last stated it. */
  response: JsonObject;
  /** Items that are done, in order. */
  readonly items: JsonObject[];
  /** Content bytes by output index. */
  readonly bytes: Map<Json, number>;
  terminalBytes: number;
  toolCalls: number;
  usage: UsageReport | null;
  sequence: number;
  finishReason: string | null;
  fault: JsonObject | null;
  done: boolean;
}

/**
 * Reads a stream of `response.*` events as it passes.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export function tapResponses(): Tap {
  const state: State = {
    response: {},
    items: [],
    bytes: new Map(),
    terminalBytes: 0,
    toolCalls: 0,
    usage: null,
    sequence: -1,
    finishReason: null,
    fault: null,
    done: false,
  };
  return {
    read({ event, data }) {
      if (state.done) return "other";
      if (data === "") return "preamble";
      const value = frameJson(data);
      return value ? readEvent(state, value, event) : "other";
    },
    facts() {
      const streamed = [...state.bytes.values()].reduce((sum, bytes) => sum + bytes, 0);
      return {
        usage: state.usage,
        servedModel: textOr(state.response["model"], null),
        finishReason: state.finishReason,
        contentBytes: Math.max(streamed, state.terminalBytes),
        toolCalls: state.toolCalls,
        proofs: proofsOf(state.items),
        ...upstreamBill(state.response["usage"]),
      };
    },
    fault: () => state.fault,
    complete: () => state.done,
    errorFrame: (error, requestId) => failedFrame(state, error, requestId),
  };
}

function readEvent(state: State, value: JsonObject, event: string): FrameKind {
  const type = textOr(value["type"], event);
  const sequence = value["sequence_number"];
  if (typeof sequence === "number") state.sequence = Math.max(state.sequence, sequence);
  else state.sequence++;
  if (CONTENT.test(type)) return readContent(state, value, type);
  if (isObject(value["response"])) readSnapshot(state, value["response"]);
  if (type === "error" || type === "response.failed" || isObject(value["error"])) {
    return readFault(state, value);
  }
  if (TERMINAL.test(type)) return readEnd(state);
  if (PREAMBLE.test(type) || type === "ping" || type === "keepalive") return "preamble";
  return isObject(value["item"]) ? readItem(state, value, value["item"], type) : "other";
}

function readContent(state: State, value: JsonObject, type: string): FrameKind {
  const index = value["output_index"] ?? value["item_id"] ?? 0;
  const before = state.bytes.get(index) ?? 0;
  if (type.endsWith(".delta")) {
    state.bytes.set(index, before + utf8Bytes(value["delta"]));
  } else if (before === 0) {
    const field = CLOSING_FIELDS.find((name) => typeof value[name] === "string");
    state.bytes.set(index, utf8Bytes(field && value[field]));
  }
  return "content";
}

/** An added call is content: it has a name. A done item may hold what no delta brought. */
function readItem(state: State, value: JsonObject, item: JsonObject, type: string): FrameKind {
  const index = value["output_index"] ?? item["id"] ?? 0;
  const known = state.bytes.get(index);
  const bytes = itemBytes(item);
  if (isCall(item) && known === undefined) state.toolCalls++;
  state.bytes.set(index, Math.max(known ?? 0, bytes));
  if (type === "response.output_item.done") state.items.push(item);
  return isCall(item) || bytes > 0 ? "content" : "other";
}

function readSnapshot(state: State, response: JsonObject): void {
  state.response = response;
  state.usage = responseUsage(response["usage"]) ?? state.usage;
  state.finishReason = finishOf(response) ?? state.finishReason;
}

function readEnd(state: State): FrameKind {
  const { output } = state.response;
  if (Array.isArray(output)) {
    state.terminalBytes = itemsBytes(output);
    state.toolCalls = Math.max(state.toolCalls, output.filter(isObject).filter(isCall).length);
  }
  state.done = true;
  return "terminal";
}

function readFault(state: State, value: JsonObject): FrameKind {
  const stated = value["error"] ?? objectOrEmpty(value["response"])["error"];
  state.fault = faultOf(stated ?? value);
  return "error";
}

/** `response.failed` with the same response, the next number, finished items and usage so far. */
function failedFrame(state: State, error: GatewayError, requestId: string): string {
  const type = "response.failed";
  const { response } = state;
  const data = {
    type,
    sequence_number: state.sequence + 1,
    response: {
      object: "response",
      ...response,
      id: textOr(response["id"], `resp_${requestId.replace(/^req_/, "")}`),
      status: "failed",
      error: { code: responseErrorCode(error), message: error.message },
      incomplete_details: null,
      output: state.items,
      usage: response["usage"] ?? null,
    },
  };
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

function textOr<Other>(value: Json | undefined, other: Other): string | Other {
  return typeof value === "string" ? value : other;
}
