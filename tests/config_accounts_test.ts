import assert from "node:assert/strict";
import { BASE, problems } from "./config_support.ts";

/** `BASE` with accounts after it; they begin in line 7. */
const accounts = (yaml: string) => `${BASE}${yaml}\n`;

const CASES = [
  {
    name: "a caller whose accounts are missing",
    yaml: accounts("users: [{ id: Ana }]\nprojects: [{ id: shop, status: archived }]") +
      `project_memberships: [{ user_id: bo, project: shop }]\n`,
    expected: [
      'config.yaml:6:5: callers[0]: no user has the id "default"',
      'config.yaml:6:5: callers[0]: no project has the id "default"',
      'config.yaml:9:34: project_memberships[0].user_id: no user has the id "bo"',
    ],
  },
  {
    name: "a caller whose accounts are not active",
    yaml: accounts("users: [{ id: Ana, status: suspended }]\nprojects: [{ id: shop }]")
      .replace("id: ci,", "id: ci, owner_user: ana, project: SHOP,"),
    expected: [
      'config.yaml:6:27: callers[0].owner_user: user "ana" is suspended, and the caller is active',
    ],
  },
  {
    name: "a caller without a membership",
    yaml: accounts("users: [{ id: ana }]\nprojects: [{ id: shop }]")
      .replace("id: ci,", "id: ci, owner_user: ana, project: shop,"),
    expected: ['config.yaml:6:5: callers[0]: user "ana" is no member of project "shop"'],
  },
];

for (const { name, yaml, expected } of CASES) {
  Deno.test(`config reports ${name}`, () => {
    assert.deepEqual(problems(yaml), expected);
  });
}
