import type { Caller, Credential, Snapshot } from "../snapshot.ts";
import { limitsCost } from "../limits/limit.ts";
import { deepFreeze, fingerprint } from "./canonical.ts";
import { compileGroup, withoutSecrets } from "./compile_group.ts";
import { scopesCompiler } from "./compile_limits.ts";
import { compileProvider } from "./compile_provider.ts";
import { compileCallerShape } from "./compile_shapes.ts";
import { compileServer } from "./compile_server.ts";
import type { CompileFacts } from "./parts.ts";
import type { Config } from "./schema.ts";
import { sharedParts } from "./shared_parts.ts";
import type { CallerConfig } from "./schema_accounts.ts";

/** Turns a configuration without errors into the snapshot that calls run on. */
export function compile(config: Config, facts: CompileFacts): Snapshot {
  const providers = new Map(
    Object.entries(config.providers).map(([name, provider]) =>
      [name, compileProvider(name, provider, facts)] as const
    ),
  );
  const groups = new Map(
    Object.keys(config.models).map((name) =>
      [name, compileGroup(name, config, providers, facts)] as const
    ),
  );
  const compileCaller = callerCompiler(config);
  const callers = config.callers.map((caller) => [compileCaller(caller), caller] as const);
  const targets = [...groups.values()].flatMap((group) => group.targets);
  const server = compileServer(config, facts);
  return deepFreeze({
    server,
    groups,
    callers: new Map(callers.map(([caller]) => [caller.id, caller])),
    credentials: new Map(
      callers.flatMap(([caller, written]) => credentials(caller, written)),
    ),
    loadedAt: facts.now,
    fingerprint: fingerprint({
      server: {
        ...server,
        cache: { ...server.cache, secondLevel: null },
        usageDb: { ...server.usageDb, dsn: null },
      },
      groups: [...groups.values()].map(({ fingerprint }) => fingerprint),
      targets: targets.map(withoutSecrets),
      accounts: [config.users, config.projects, config.project_memberships],
      callers: callers.map(([caller]) => caller),
    }),
    pricingFingerprint: fingerprint(
      targets.map(({ provider, model, prices }) => [provider.name, model, prices]),
    ),
  });
}

function callerCompiler(config: Config): (caller: CallerConfig) => Caller {
  const { enabled, default_caller } = config.server.traffic_shape;
  const compileScopes = scopesCompiler(config);
  const shapeOf = sharedParts<Caller["shape"]>();
  const allowed = sharedParts<Caller["allow"]>();
  return (caller) => {
    const limits = compileScopes(caller);
    return {
      id: caller.id,
      ownerUser: caller.owner_user,
      project: caller.project,
      environment: caller.environment,
      status: caller.status,
      expiresAt: caller.expires_at?.getTime() ?? null,
      allow: allowed(caller.allow, () => new Set(caller.allow)),
      metricsAdmin: caller.metrics_admin,
      limits,
      costLimited: limits.some(limitsCost),
      shape: shapeOf(
        caller.traffic_shape,
        () => compileCallerShape(caller.traffic_shape, enabled ? default_caller : undefined),
      ),
    };
  };
}

/** The current token of a caller and the ones it had before, by lower-case hex digest. */
function credentials(caller: Caller, config: CallerConfig): (readonly [string, Credential])[] {
  return [
    credential(caller, { ...config, valid_until: null }),
    ...config.previous_tokens.map((token) => credential(caller, token)),
  ];
}

interface WrittenToken {
  readonly token_sha256: string;
  readonly token_id?: string | undefined;
  readonly valid_until: Date | null;
}

function credential(caller: Caller, token: WrittenToken): readonly [string, Credential] {
  const digest = token.token_sha256.toLowerCase();
  return [digest, {
    caller,
    digest,
    tokenId: token.token_id ?? "",
    validUntil: token.valid_until?.getTime() ?? null,
  }];
}
