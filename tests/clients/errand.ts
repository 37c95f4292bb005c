import { isObject, type Json, objectOrEmpty } from "@/core/json.ts";
import { type Tool } from "@/plugins/echo/ask.ts";
import type { Heard } from "./heard.ts";
import type { Said } from "./model.ts";

/** What an agent is sent to do in its workspace: two files to read, a line of one to change. */
interface Errand {
  /** Absolute paths. */
  readonly note: string;
  readonly other: string;
}

/** Quotes, escapes and characters of every length, so that each layer of encoding shows. */
export const BEFORE = `The sky is "green" \\ — naïve 青 🟩.`;
export const AFTER = `The sky is "blue" \\n — naïve 青 🟦 $HOME 'x'.`;
export const CLOSING = "Done: the sky is blue again — 青 🟦.";
const THOUGHT = "The note is wrong about the sky — 青.";

/**
 * The model's part of the errand: it reads both files at once, edits the note, and closes. Which tool it
 * takes depends on what is offered, and where it is on what has come back.
 */
export function errandTurn({ note, other }: Errand): (heard: Heard) => readonly Said[] {
  return ({ ask, results }) => {
    if (ask.tools.length === 0) return [{ type: "text", text: "A title" }];
    const thought = { type: "reasoning", text: THOUGHT } as const;
    if (results.length === 0) {
      const intro = { type: "text", text: "I will read both files." } as const;
      return [thought, intro, reading(ask.tools, note), reading(ask.tools, other)];
    }
    if (results.length === 2) return [thought, editing(ask.tools, note)];
    return [{ type: "text", text: CLOSING }];
  };
}

/** The model's part with a picture: it looks at it, and says how many it has seen. */
export function lookTurn(path: string): (heard: Heard) => readonly Said[] {
  return ({ ask, results, images }) => {
    if (results.length > 0) return [{ type: "text", text: `Seen: ${images.length}` }];
    return [call(ask.tools, [
      (tool) => tool.name === "Read" && takes(tool, "file_path") ? { file_path: path } : null,
      (tool) => tool.name === "view_image" && takes(tool, "path") ? { path } : null,
    ])];
  };
}

/** The model's part with a tool of a namespace: it closes an agent that there is not. */
export function closeTurn({ ask, results }: Heard): readonly Said[] {
  if (results.length > 0) return [{ type: "text", text: "Nobody was there." }];
  const isMeant = (tool: Tool) => /^(multi_agent_v1__)?close_agent$/.test(tool.name);
  return [call(ask.tools, [(tool) => isMeant(tool) ? { target: NOBODY } : null])];
}
export const NOBODY = "01a1fe90-0000-7000-8000-000000000000";

/** The model's part in a long conversation: for each prompt it thinks, reads once, and answers. */
export function againTurn(prompt: string, path: string): (heard: Heard) => readonly Said[] {
  return ({ ask, body, calls }) => {
    const prompts = JSON.stringify(body).split(prompt).length - 1;
    if (calls.length === prompts) return [{ type: "text", text: `Answer ${prompts}.` }];
    return [{ type: "reasoning", text: `Thought ${prompts}.` }, reading(ask.tools, path)];
  };
}

/** A way to use a tool; `null` where the tool is another one. */
type Use = (tool: Tool) => Json | null;

function reading(tools: readonly Tool[], path: string): Said {
  return call(tools, [
    (tool) => tool.name === "Read" && takes(tool, "file_path") ? { file_path: path } : null,
    (tool) => takes(tool, "cmd") ? { cmd: `cat '${path}'` } : null,
    (tool) => takes(tool, "command", "string") ? { command: `cat '${path}'` } : null,
    (tool) => takes(tool, "command", "array") ? { command: ["cat", path] } : null,
  ]);
}

function editing(tools: readonly Tool[], path: string): Said {
  const patch = [
    "*** Begin Patch",
    `*** Update File: ${path}`,
    "@@",
    `-${BEFORE}`,
    `+${AFTER}`,
    "*** End Patch",
  ].join("\n");
  const script = `cat > '${path}' <<'END'\n${AFTER}\nEND`;
  return call(tools, [
    (tool) => tool.type === "custom" && tool.name === "apply_patch" ? patch : null,
    (tool) => tool.name === "apply_patch" && takes(tool, "input") ? { input: patch } : null,
    (tool) =>
      tool.name === "Edit" && takes(tool, "old_string")
        ? { file_path: path, old_string: BEFORE, new_string: AFTER }
        : null,
    (tool) => takes(tool, "cmd") ? { cmd: script } : null,
    (tool) => takes(tool, "command", "string") ? { command: script } : null,
  ]);
}

function call(tools: readonly Tool[], uses: readonly Use[]): Said {
  for (const use of uses) {
    for (const tool of tools) {
      const input = use(tool);
      if (input === null) continue;
      const text = typeof input === "string" ? input : JSON.stringify(input);
      return { type: "call", tool, input: text };
    }
  }
  throw new Error(`Cannot use any of ${tools.map(({ name }) => name).join(", ")}`);
}

/** Whether a tool's schema has a property, of a type if one is given. */
function takes({ schema }: Tool, property: string, type?: string): boolean {
  const found = isObject(schema) ? objectOrEmpty(schema["properties"])[property] : undefined;
  return isObject(found) && (type === undefined || found["type"] === type);
}
