import type { Json, JsonObject } from "../json.ts";
import { conflict, type Finding } from "./diagnose.ts";
import type { ConfigPath } from "./problem.ts";
import { suggest } from "./suggest.ts";
import { idOf, itemsOf, member } from "./view.ts";

/** Ids with their status. */
type Statuses = ReadonlyMap<string, string>;

/**
 * Once any account is declared, every active caller needs an active user, project and membership.
 */
export function* checkAccounts(root: Json): Iterable<Finding> {
  const users = statuses(member(root, "users"), (item) => idOf(item["id"]));
  const projects = statuses(member(root, "projects"), (item) => idOf(item["id"]));
  const memberships = statuses(member(root, "project_memberships"), membershipOf);
  yield* checkMemberships(root, users, projects);
  if (users.size + projects.size + memberships.size === 0) return;
  for (const [index, caller] of itemsOf(member(root, "callers"))) {
    if ((caller["status"] ?? "active") !== "active") continue;
    const user = idOf(caller["owner_user"] ?? "default");
    const project = idOf(caller["project"] ?? "default");
    if (user === null || project === null) continue;
    const path = ["callers", index];
    const missing = [
      ...account("user", users, user, pathOf(caller, path, "owner_user")),
      ...account("project", projects, project, pathOf(caller, path, "project")),
    ];
    yield* missing;
    if (missing.length === 0) yield* membership(memberships, user, project, path);
  }
}

function* checkMemberships(root: Json, users: Statuses, projects: Statuses): Iterable<Finding> {
  for (const [index, item] of itemsOf(member(root, "project_memberships"))) {
    const path = ["project_memberships", index];
    const user = idOf(item["user_id"]);
    const project = idOf(item["project"]);
    if (user !== null) yield* known("user", users, user, [...path, "user_id"]);
    if (project !== null) yield* known("project", projects, project, [...path, "project"]);
  }
}

/** The key, or its parent where a default stands in for it. */
function pathOf(item: JsonObject, path: ConfigPath, key: string): ConfigPath {
  return key in item ? [...path, key] : path;
}

function* known(noun: string, accounts: Statuses, id: string, path: ConfigPath): Iterable<Finding> {
  if (accounts.has(id)) return;
  const message = `no ${noun} has the id "${id}"`;
  const suggestion = suggest(id, accounts.keys());
  yield { code: "unknown-reference", path, at: "value", message, suggestion };
}

function* account(
  noun: string,
  accounts: Statuses,
  id: string,
  path: ConfigPath,
): Iterable<Finding> {
  yield* known(noun, accounts, id, path);
  const status = accounts.get(id) ?? "active";
  if (status === "active") return;
  yield conflict(path, `${noun} "${id}" is ${status}, and the caller is active`);
}

function* membership(
  memberships: Statuses,
  user: string,
  project: string,
  path: ConfigPath,
): Iterable<Finding> {
  const status = memberships.get(`${user} ${project}`);
  if (status === "active") return;
  const message = status === undefined
    ? `user "${user}" is no member of project "${project}"`
    : `membership of user "${user}" in project "${project}" is ${status}`;
  yield conflict(path, message);
}

function membershipOf(item: JsonObject): string | null {
  const user = idOf(item["user_id"]);
  const project = idOf(item["project"]);
  return user === null || project === null ? null : `${user} ${project}`;
}

function statuses(value: Json | undefined, key: (item: JsonObject) => string | null): Statuses {
  return new Map(
    itemsOf(value).flatMap(([_, item]) => {
      const id = key(item);
      return id === null ? [] : [[id, String(item["status"] ?? "active")] as const];
    }),
  );
}
