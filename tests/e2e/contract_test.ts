import assert from "node:assert/strict";
import { caller, type ConfigTree, type Loose, startTestGateway, TOKEN } from "../gateway.ts";
import { assertError } from "../gateway_answers.ts";
import { call } from "../gateway_client.ts";

const CHAT = "openai-chat";
const target = (id: string, more: ConfigTree = {}) => ({
  provider: "echo",
  model: "echo",
  id,
  ...more,
});

const options = (group: ConfigTree, quota: ConfigTree = {}) => ({
  upstreams: [],
  providers: { echo: { base_url: "builtin:echo", dialect: CHAT } },
  group,
  callers: [caller("ci", TOKEN, { quota: { day: quota } })],
});

async function explained(url: string): Promise<Loose> {
  return (await call(url, CHAT, { path: "/v1/route/explain" })).json();
}

const ids = (targets: Loose[]) => targets.map(({ id }) => id);

Deno.test("gateway keeps to a group's contract, and says which promise stood in the way", async () => {
  const contract = {
    intended_workloads: ["support"],
    supported_api_shapes: ["openai_chat", "anthropic_messages"],
    quality_floor: { require_tags: ["gold"] },
  };
  const targets = [
    target("a", { inbound_dialects: [CHAT, "anthropic"] }),
    target("b", {
      tags: ["gold"],
      inbound_dialects: [CHAT, "anthropic", "openai-responses"],
    }),
  ];
  await using gateway = await startTestGateway(options({ contract, targets }));
  const { eligible, rejected } = await explained(gateway.url);
  assert.deepEqual(ids(eligible), ["b"]);
  assert.deepEqual(rejected[0].reasons, ["contract-quality-floor"]);
  const answer = await call(gateway.url, "openai-responses");
  assertError("openai-responses", answer, "no-eligible-target");
  const { requirements } = answer.json()["error"].details;
  assert.deepEqual(requirements, ["text", "contract-required-api-shape"]);
});

const DAY_MS = 86_400_000;

/** A target that was evaluated so many days ago. */
function evaluated(id: string, days: number): ConfigTree {
  const day = new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
  return target(id, { validation: { status: "passed", workload: "chats", validated_at: day } });
}

const AGING = {
  intended_workloads: ["support", "sales"],
  quality_floor: { max_eval_age_days: 30, allowed_validation_status: ["passed"] },
  reporting: { expose_workload_labels: true, expose_quality_floor_bucket: true },
};

Deno.test("gateway tells of evaluations that grow too old, in log, metrics and records", async () => {
  const targets = [evaluated("old", 40), evaluated("aging", 27), evaluated("new", 3)];
  const group = { strategy: "failover", contract: AGING, targets };
  await using gateway = await startTestGateway({
    ...options(group),
    callers: [caller("ci", TOKEN, { metrics_admin: true })],
  });
  const told = gateway.logs.map((line) => JSON.parse(line))
    .filter(({ event }) => event.startsWith("contract_"));
  assert.deepEqual(told.map(({ event, target }) => [event, target]), [
    ["contract_expired", "old"],
    ["contract_expiring", "aging"],
  ]);
  assert.equal((await call(gateway.url, CHAT)).status, 200);
  const [row] = gateway.rows();
  assert.deepEqual(
    [
      row?.["target_index"],
      row?.["contract_present"],
      row?.["contract_workload"],
      row?.["contract_bucket"],
      row?.["contract_failure_reason"],
      row?.["target_validation_status"],
      row?.["target_validation_workload"],
      row?.["target_validation_age_bucket"],
    ],
    [1, 1, "support,sales", "none", "", "passed", "chats", "8-30d"],
  );
  const page = await (await fetch(`${gateway.url}/metrics`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  })).text();
  for (const state of ["ok", "expiring", "expired"]) {
    assert.match(page, new RegExp(`contract_targets{group="fast",state="${state}"} 1\n`));
  }
  assert.match(page, /contract_expiry_seconds{group="fast",target="old"} -/);
});

Deno.test("gateway starts though every evaluation is too old, says so and refuses the group's calls", async () => {
  const targets = [evaluated("old", 40), evaluated("older", 90)];
  await using gateway = await startTestGateway(options({ contract: AGING, targets }));
  const errors = gateway.logs.map((line) => JSON.parse(line)).filter(({ level }) =>
    level === "error"
  );
  assert.deepEqual(errors.map(({ event, group }) => [event, group]), [[
    "contract_expired",
    "fast",
  ]]);
  assertError(CHAT, await call(gateway.url, CHAT), "no-eligible-target");
  const [row] = gateway.rows();
  assert.equal(row?.["contract_failure_reason"], "contract-validation-expired");
});

/** Rules as a caller's day is used up; the first call uses 100,000 tokens at most. */
const RULES = [
  { at: 0.8, prefer_tags: ["economy"] },
  { at: 0.95, only_tags: ["economy"] },
];

/** How a group decides whose caller has used this share of its day. */
async function under(pressure: number, tags: readonly string[][]): Promise<Loose> {
  const targets = tags.map((tags, at) => target(`t${at}`, { tags }));
  const group = { strategy: "failover", budget_pressure: RULES, targets };
  await using gateway = await startTestGateway(options(group, { tokens: 1_000_000 }));
  const filler = "x".repeat(4_000);
  const used = async () => (await explained(gateway.url))["budget"].pressure;
  await call(gateway.url, CHAT, { body: { messages: [{ role: "user", content: filler }] } });
  const once = await used();
  assert(await gateway.reload(options(group, { tokens: Math.floor(1_000_000 * once / pressure) })));
  return await explained(gateway.url);
}

Deno.test("budget rules prefer, then allow, targets with a tag; without any they change nothing", async () => {
  const tagged = [[], ["economy"], []];
  const order = ({ passes }: Loose) => passes.at(-1).order;
  const calm = await under(0.79, tagged);
  assert.deepEqual([calm["budget"].rule, order(calm)], [null, [0, 1, 2]]);
  const warm = await under(0.8, tagged);
  assert.deepEqual([warm["budget"].rule, order(warm)], ["at:0.8", [1, 0, 2]]);
  assert.deepEqual(warm["passes"].map(({ pass }: Loose) => pass), [
    "strategy",
    "budget",
    "availability",
  ]);
  const hot = await under(0.95, tagged);
  assert.deepEqual([hot["budget"].rule, ids(hot["eligible"])], ["at:0.95", ["t1"]]);
  assert.deepEqual(hot["rejected"].map(({ reasons }: Loose) => reasons), [
    ["budget-pressure"],
    ["budget-pressure"],
  ]);
  const bare = await under(0.95, [[], [], []]);
  assert.deepEqual([bare["budget"].rule, ids(bare["eligible"])], ["at:0.95", ["t0", "t1", "t2"]]);
});
