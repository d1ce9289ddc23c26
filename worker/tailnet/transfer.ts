// A whole tailnet as it is carried to another deployment: what an export holds, and what it takes to become one.

import { type PolicyProblem, parsePolicy } from "../policy/parse.ts";
import type { Change, Counters, PolicyVersion } from "./change.ts";
import { type Decision, decided, refused } from "./change.ts";
import { offline } from "./commands/nodes/presence.ts";
import type { UserActor } from "./entities/actor.ts";
import type { ApiToken } from "./entities/api-token.ts";
import type { AuthKey } from "./entities/auth-key.ts";
import type { CollectionName, Collections, RecordPut } from "./entities/configuration/collections.ts";
import type { Node } from "./entities/node.ts";
import type { Settings } from "./entities/settings.ts";
import type { AccessToken, TrustCredential } from "./entities/trust-credential.ts";
import type { User } from "./entities/user.ts";
import { checkInvariants, openTailnet, type Tailnet } from "./tailnet.ts";

/** A tailnet, without what only its deployment knows: logins in progress, queues, the audit log, earlier policy files. */
export interface TransferredTailnet {
  readonly users: readonly User[];
  readonly nodes: readonly Node[];
  readonly authKeys: readonly AuthKey[];
  readonly apiTokens: readonly ApiToken[];
  readonly credentials: readonly TrustCredential[];
  readonly accessTokens: readonly AccessToken[];
  readonly records: readonly Pick<RecordPut, "collection" | "record">[];
  readonly settings: Settings;
  readonly counters: Counters;
  readonly policy: PolicyVersion;
  /** Primary router per prefix. */
  readonly primaries: readonly { readonly prefix: string; readonly nodeId: number }[];
}

/** The tailnet's own keys, hex. */
export interface TransferredKeys {
  readonly noise: string;
  /** Absent: people at browsers sign in anew. */
  readonly session?: string;
}

/** What an export holds. */
export interface TransferContent {
  readonly keys: TransferredKeys;
  readonly tailnet: TransferredTailnet;
}

/** The tailnet as an export holds it: nobody is connected. */
export function toTransferred(tailnet: Tailnet, now: number): TransferredTailnet {
  const { records, settings, counters } = tailnet;
  const { text, isDefault, savedAt, author } = tailnet.policy;
  const collections = Object.keys(records) as RecordPut["collection"][];
  return {
    users: [...tailnet.users.values()],
    nodes: [...tailnet.nodes.values()].map((node) => ({
      ...offline(node, node.disconnectedAt ?? now),
      isUserBarred: false,
    })),
    authKeys: [...tailnet.authKeys.values()],
    apiTokens: [...tailnet.apiTokens.values()],
    credentials: [...tailnet.credentials.values()],
    accessTokens: [...tailnet.accessTokens.values()],
    records: collections.flatMap((collection) =>
      [...records[collection].values()].map((record) => toRecord(collection, record)),
    ),
    settings,
    counters,
    policy: { text, isDefault, savedAt, author },
    primaries: [...tailnet.engine.primaries()].map(([prefix, nodeId]) => ({ prefix, nodeId })),
  };
}

function toRecord(collection: CollectionName, record: Collections[CollectionName]) {
  return { collection, record } as Pick<RecordPut, "collection" | "record">;
}

/** Why nothing may be imported into a tailnet; undefined: it is new, with its first administrator alone. */
export function whyNotEmpty({ nodes, users, credentials, records }: Tailnet): string | undefined {
  const others = Object.values(records).reduce((sum, collection) => sum + collection.size, 0);
  if (nodes.size === 0 && users.size <= 1 && credentials.size === 0 && others === 0) return undefined;
  return `only a new tailnet can be imported into; this one has ${nodes.size} devices and ${users.size} users`;
}

/**
 * The tailnet with whoever imports it, who must be able to go on: their token becomes that of the imported owner, or, where
 * there is none, they become the owner.
 */
export function withImporter(
  given: TransferredTailnet,
  { user, tokenId }: UserActor,
  token: ApiToken,
): TransferredTailnet {
  const owner = given.users.find(({ role }) => role === "owner") ?? {
    ...user,
    id: given.counters.nextUserId,
    role: "owner",
  };
  const isNew = !given.users.includes(owner);
  return {
    ...given,
    users: isNew ? [...given.users, owner] : given.users,
    counters: isNew ? { ...given.counters, nextUserId: owner.id + 1 } : given.counters,
    apiTokens: [...given.apiTokens.filter(({ id }) => id !== tokenId), { ...token, userId: owner.id }],
  };
}

/** The changes that make an empty tailnet this one; refused when it could not live. */
export function adoptTailnet(given: TransferredTailnet): Decision<null> {
  const parsed = parsePolicy(given.policy.text);
  const problem = parsed.ok ? problemOf(given) : describeProblem(parsed.problems[0]);
  if (!parsed.ok || problem !== undefined)
    return refused({ reason: "invalid", detail: problem ?? "policy file: invalid" });
  return decided(null, [
    { type: "settings-put", settings: given.settings },
    { type: "counters-put", counters: given.counters },
    { type: "policy-put", policy: given.policy, compiled: parsed.policy },
    ...given.users.map((user): Change => ({ type: "user-put", user })),
    ...given.nodes.map((node): Change => ({ type: "node-put", node })),
    ...given.authKeys.map((key): Change => ({ type: "auth-key-put", key })),
    ...given.apiTokens.map((token): Change => ({ type: "api-token-put", token })),
    ...given.credentials.map((credential): Change => ({ type: "credential-put", credential })),
    ...given.accessTokens.map((token): Change => ({ type: "access-token-put", token })),
    ...given.records.map((record): Change => ({ type: "record-put", ...record }) as Change),
  ]);
}

function describeProblem(problem: PolicyProblem | undefined): string {
  if (problem === undefined) return "policy file: invalid";
  return `policy file: line ${problem.line}, column ${problem.column}: ${problem.message}`;
}

function problemOf(given: TransferredTailnet): string | undefined {
  if (given.users.filter(({ role }) => role === "owner").length !== 1) return "users: there must be one owner";
  const users = new Set(given.users.map(({ id }) => id));
  const credentials = new Set(given.credentials.map(({ id }) => id));
  for (const { id, userId } of [...given.authKeys, ...given.apiTokens]) {
    if (userId !== null && !users.has(userId)) return `key ${id}: its user is missing`;
  }
  for (const { id, credentialId } of given.accessTokens) {
    if (!credentials.has(credentialId)) return `access token ${id}: its credential is missing`;
  }
  const tailnet = openTailnet({
    ...given,
    pendings: [],
    sshChecks: [],
    passedSSHChecks: [],
    primaries: new Map(given.primaries.map(({ prefix, nodeId }) => [prefix, nodeId])),
  });
  const ids = [
    given.users.map(({ id }) => id),
    given.users.map(({ stableId }) => stableId),
    given.nodes.map(({ id }) => id),
    [...given.authKeys, ...given.apiTokens, ...given.credentials, ...given.accessTokens].map(({ id }) => id),
    given.records.map(({ collection, record }) => `${collection}/${record.id}`),
  ];
  if (ids.some((list) => new Set<string | number>(list).size !== list.length)) return "two records share an id";
  try {
    checkInvariants(tailnet);
  } catch (error) {
    return error instanceof Error ? error.message : "the records do not fit together";
  }
  return undefined;
}
