// The public API under test: requests to the Worker, and records put straight into the tailnet's database, so that
// every state of it can be met without a client.

import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { MIGRATIONS } from "../../../db/migrations.ts";
import { openDatabase } from "../../../db/open.ts";
import { TailnetStore } from "../../../db/tailnet-store.ts";
import { tailnetFor } from "../../../worker/middleware/tailnet-for.ts";
import type { Role } from "../../../worker/policy/engine.ts";
import type { DiscoKey, MachineKey, NodeKey } from "../../../worker/protocol/keys.ts";
import type { Change } from "../../../worker/tailnet/change.ts";
import type { Node } from "../../../worker/tailnet/entities/node.ts";
import type { PendingRegistration } from "../../../worker/tailnet/entities/pending-registration.ts";
import { mintToken, type Random } from "../../../worker/tailnet/entities/secret-token.ts";
import type { User } from "../../../worker/tailnet/entities/user.ts";
import { policyInForce } from "../../../worker/tailnet/stored-policy.ts";
import { evict } from "./tailnet.ts";

/** Origin of the deployment under test. */
export const ORIGIN = "https://flarescale.example";

/** Secret that vitest.config.ts sets. */
export const BOOTSTRAP_SECRET = "test-bootstrap-secret";

const random: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

/** An answer, with its body read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly json: any;
}

/** What to send. */
export interface Call {
  readonly method?: string;
  /** Sent as it is when it is a text or bytes, else as JSON. */
  readonly body?: unknown;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a request to a path below /api/v2. */
export async function api(path: string, { method, body, token, headers = {} }: Call = {}): Promise<Answer> {
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  const response = await exports.default.fetch(`${ORIGIN}/api/v2${path}`, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    ...(body !== undefined && { body: isRaw ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Puts records into the database, then lets the object start anew from it. */
export async function seed(...changes: Change[]): Promise<void> {
  await runInDurableObject(tailnetFor(env), (_, { storage }) => {
    new TailnetStore(openDatabase(storage, MIGRATIONS)).commit(changes);
  });
  await evict();
}

/** A policy file to seed; one that does not compile leaves everything denied. */
export function policyPut(text: string, savedAt = 0, author = ""): Change {
  const policy = { text, isDefault: false, savedAt, author };
  return { type: "policy-put", policy, compiled: policyInForce(policy, []).policy };
}

/** A user with an API token. */
export interface Person {
  readonly user: User;
  readonly token: string;
  readonly tokenId: string;
}

/** Makes a user of a role, with an API token; `id` from 100 on. */
export async function person(id: number, role: Role, more: Partial<User> = {}): Promise<Person> {
  const user: User = {
    id,
    stableId: `u${String(id).padStart(11, "0")}CNTRL`,
    loginName: `${role}-${id}@example.com`,
    displayName: role,
    profilePicUrl: "",
    role,
    isSuspended: false,
    isApproved: true,
    createdAt: 1_700_000_000_000,
    ...more,
  };
  const { id: tokenId, text, hash } = mintToken("api", random);
  const token = {
    id: tokenId,
    hash,
    userId: id,
    description: "",
    createdAt: Date.now(),
    expiresAt: Date.now() + 3_600_000,
    revokedAt: null,
  };
  const counters = { nextNodeId: 1_000, nextUserId: 10_000, nextAddress: 1_000 };
  await seed({ type: "counters-put", counters }, { type: "user-put", user }, { type: "api-token-put", token });
  return { user, token: text, tokenId };
}

/** A trust credential with an access token. */
export interface Program {
  readonly id: string;
  readonly token: string;
  readonly changes: readonly Change[];
}

/** Makes a credential with an access token that holds all it may; `changes` put it into the database. */
export function program(scopes: readonly string[], tags: readonly string[] = [], isFederated = false): Program {
  const credential = mintToken("client", random);
  const access = mintToken("api", random);
  const federation = {
    issuer: "https://issuer.example",
    subject: "*",
    audience: "a",
    customClaimRules: {},
    jwks: null,
  };
  const common = { description: "", scopes, tags, createdAt: Date.now(), revokedAt: null };
  return {
    id: credential.id,
    token: access.text,
    changes: [
      {
        type: "credential-put",
        credential: {
          ...common,
          id: credential.id,
          hash: credential.hash,
          userId: null,
          updatedAt: null,
          federation: isFederated ? federation : null,
        },
      },
      {
        type: "access-token-put",
        token: {
          ...common,
          id: access.id,
          hash: access.hash,
          credentialId: credential.id,
          expiresAt: Date.now() + 3_600_000,
        },
      },
    ],
  };
}

/** A node as it stands in the database; `id` also makes its keys, address and name. */
export function node(id: number, more: Partial<Node> = {}): Node {
  const hex = id.toString(16).padStart(64, "0");
  return {
    id,
    stableId: `n${String(id).padStart(11, "0")}CNTRL`,
    machineKey: `mkey:${hex}` as MachineKey,
    nodeKey: `nodekey:${hex}` as NodeKey,
    discoKey: `discokey:${hex}` as DiscoKey,
    tailnetLockKey: null,
    userId: null,
    tags: [],
    name: `node-${id}`,
    isNameFixed: false,
    ipv4: `100.64.0.${id}`,
    ipv6: `fd7a:115c:a1e0::${id.toString(16)}`,
    hostinfo: { Hostname: `host-${id}`, OS: "linux" },
    endpoints: [],
    homeDerp: 0,
    capabilityVersion: 133,
    createdAt: 1_700_000_000_000,
    keyExpiresAt: null,
    isKeyExpiryDisabled: false,
    isAuthorized: true,
    isUserBarred: false,
    isEphemeral: false,
    approvedRoutes: [],
    attributes: {},
    isOnline: false,
    disconnectedAt: null,
    lastSeenAt: null,
    authKeyId: null,
    ...more,
  };
}

/** A registration that waits for a person; `n` makes its keys. */
export function pendingRegistration(n: number, more: Partial<PendingRegistration> = {}): PendingRegistration {
  const hex = (n + 0xf000).toString(16).padStart(64, "0");
  return {
    id: `pending${String(n).padStart(25, "0")}`,
    machineKey: `mkey:${hex}` as MachineKey,
    nodeKey: `nodekey:${hex}` as NodeKey,
    oldNodeKey: null,
    tailnetLockKey: null,
    hostinfo: { Hostname: `laptop-${n}`, OS: "linux" },
    capabilityVersion: 133,
    isEphemeral: false,
    remoteAddress: "192.0.2.7",
    createdAt: Date.now(),
    expiresAt: Date.now() + 600_000,
    state: "waiting",
    userId: null,
    nodeId: null,
    ...more,
  };
}
