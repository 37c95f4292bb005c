import type { Json } from "../json.ts";
import type { Finding } from "./diagnose.ts";
import { type ConfigPath, pathText } from "./problem.ts";
import { entriesOf, idOf, itemsOf, member, textOf } from "./view.ts";

/** Names that differ only in case, and ids that repeat. */
export function* checkNames(root: Json): Iterable<Finding> {
  const providers = member(root, "providers");
  yield* sameButForCase(providers, ["providers"]);
  for (const [name, provider] of entriesOf(providers)) {
    yield* sameButForCase(member(provider, "models"), ["providers", name, "models"]);
    yield* sameButForCase(member(provider, "headers"), ["providers", name, "headers"]);
  }
  yield* sameButForCase(member(root, "models"), ["models"]);
  for (const list of ["users", "projects", "callers"]) {
    yield* repeats(
      itemsOf(member(root, list)).map(([index, item]) => ({
        text: idOf(item["id"]),
        path: [list, index, "id"],
      })),
    );
  }
  yield* repeats(
    itemsOf(member(root, "project_memberships")).map(([index, item]) => {
      const user = idOf(item["user_id"]);
      const project = idOf(item["project"]);
      const text = user === null || project === null ? null : `${user} in ${project}`;
      return { text, path: ["project_memberships", index, "user_id"] };
    }),
  );
  for (const [name, group] of entriesOf(member(root, "models"))) {
    yield* repeats(
      itemsOf(member(group, "targets")).map(([index, target]) => ({
        text: textOf(target["id"]),
        path: ["models", name, "targets", index, "id"],
      })),
    );
  }
}

function* sameButForCase(map: Json | undefined, path: ConfigPath): Iterable<Finding> {
  const first = new Map<string, string>();
  for (const [name] of entriesOf(map)) {
    const other = first.get(name.toLowerCase());
    if (other === undefined) first.set(name.toLowerCase(), name);
    else {
      yield {
        code: "duplicate",
        path: [...path, name],
        at: "key",
        message: `differs only in case from "${other}"`,
      };
    }
  }
}

interface Named {
  readonly text: string | null;
  readonly path: ConfigPath;
}

/** Reports every text that an earlier entry has, too. */
function* repeats(items: readonly Named[]): Iterable<Finding> {
  const first = new Map<string, ConfigPath>();
  for (const { text, path } of items) {
    if (text === null) continue;
    const other = first.get(text);
    if (other === undefined) first.set(text, path);
    else {
      const message = `"${text}" is already used by ${pathText(other.slice(0, -1))}`;
      yield { code: "duplicate", path, at: "value", message };
    }
  }
}
