// What administrators and login pages may ask of a tailnet. The Worker has authenticated the caller; what the caller
// may do is checked there too, in one table (routes/api/v2). Methods take and return plain data: they are called by RPC.
import type { Settings } from "../env.ts";
import {
  type Device,
  type DeviceDetails,
  type DeviceFilter,
  type DeviceRoutes,
  meetsFilters,
  toDevice,
  toDeviceDetails,
  toDeviceRoutes,
} from "../mapper/to-device.ts";
import { randomBytes } from "../platform/random.ts";
import { type PolicyProblem, parsePolicy } from "../policy/parse.ts";
import type { TestFailure } from "../policy/policy-tests.ts";
import { DEVICE_PAGE_MAX } from "../protocol/limits.ts";
import type { Outcome, TailnetRuntime } from "../runtime/tailnet-runtime.ts";
import { type Decision, decided, refused } from "../tailnet/change.ts";
import {
  approveRoutes,
  authorizeNode,
  deleteNode,
  expireNode,
  renameNode,
  setKeyExpiryDisabled,
  tagNode,
} from "../tailnet/commands/administer-node.ts";
import { approveLogin, denyLogin, waiting } from "../tailnet/commands/decide-login.ts";
import { type AuthKeySpec, bootstrap, createAuthKey, revokeKey } from "../tailnet/commands/manage-keys.ts";
import { failedTests, setPolicy } from "../tailnet/commands/set-policy.ts";
import type { Node } from "../tailnet/entities/node.ts";
import type { PendingRegistration } from "../tailnet/entities/pending-registration.ts";
import { matchesHash, splitToken } from "../tailnet/entities/secret-token.ts";
import type { User } from "../tailnet/entities/user.ts";
import { nodeByPublicId, type Tailnet } from "../tailnet/tailnet.ts";
import { type KeyRecord, toApiTokenRecord, toAuthKeyRecord } from "./key-record.ts";
import {
  equalInConstantTime,
  formToken,
  type LoginSession,
  newSession,
  openSession,
  sealSession,
} from "./login-session.ts";
import { hasTag, type PolicyRecord, toPolicyRecord } from "./policy-record.ts";

/** Which devices to list, and with which fields. */
export interface DeviceQuery {
  readonly hasAllFields: boolean;
  readonly filters: readonly DeviceFilter[];
  /** Devices of this user alone; null: everybody's. */
  readonly ownerId: number | null;
}

/** A part of a device list. */
export interface DevicePage {
  /** The devices as JSON, separated by commas; empty when there are none. */
  readonly json: string;
  /** Where the next page starts; null: this was the last. */
  readonly next: number | null;
}

/** A change that an administrator makes to a device. */
export type DeviceAction =
  | { readonly type: "delete" }
  | { readonly type: "expire" }
  | { readonly type: "authorize"; readonly isAuthorized: boolean }
  | { readonly type: "disable-key-expiry"; readonly isDisabled: boolean }
  | { readonly type: "rename"; readonly name: string }
  | { readonly type: "tag"; readonly tags: readonly string[] };

/** Whose keys to list, by kind: a user's, everybody's when null, none when absent. */
export type KeyOwners = { readonly [K in KeyRecord["keyType"]]?: number | null };

/** What is wrong, or doubtful, in a policy file. */
export interface PolicyFindings {
  readonly errors: readonly PolicyProblem[];
  readonly warnings: readonly PolicyProblem[];
  /** Tests that fail; none are run while there are errors. */
  readonly failures: readonly TestFailure[];
}

/** What a login page needs to know of the browser that asks for it. */
export interface Visit {
  /** Who signed in; null: nobody. */
  readonly user: User | null;
  /** Value for the session cookie. */
  readonly cookie: string;
  /** Token that the page's forms must carry. */
  readonly formToken: string;
}

/** The administrative side of one tailnet. */
export class Administration {
  readonly #runtime: TailnetRuntime;
  readonly #settings: Settings;
  readonly #sessionKey: () => Uint8Array;

  /** `sessionKey` signs the sessions of the login pages. */
  constructor(runtime: TailnetRuntime, settings: Settings, sessionKey: () => Uint8Array) {
    this.#runtime = runtime;
    this.#settings = settings;
    this.#sessionKey = sessionKey;
  }

  /** The user behind an API token; null when it is not valid. */
  authenticate(token: string): User | null {
    const parts = splitToken("api", token);
    const stored = parts === undefined ? undefined : this.#tailnet.apiTokens.get(parts.id);
    if (parts === undefined || stored === undefined || !matchesHash(parts.secret, stored.hash)) return null;
    if (stored.revokedAt !== null || stored.expiresAt <= Date.now()) return null;
    const user = this.#tailnet.users.get(stored.userId);
    return user === undefined || user.isSuspended ? null : user;
  }

  /** Makes the first administrator; works once. */
  bootstrap(loginName: string): Outcome<{ readonly user: User; readonly text: string }> {
    return this.#runtime.execute((tailnet, context) => bootstrap(tailnet, loginName, context));
  }

  /** Devices in order of creation from node number `from` on, as many as fit one answer. */
  devices(query: DeviceQuery, from: number): DevicePage {
    const nodes = [...this.#tailnet.nodes.values()].filter((node) => node.id >= from).sort((a, b) => a.id - b.id);
    const parts: string[] = [];
    let size = 0;
    for (const node of nodes) {
      if (size > DEVICE_PAGE_MAX) return { json: parts.join(","), next: node.id };
      const part = this.#listed(node, query);
      if (part === undefined) continue;
      parts.push(part);
      size += part.length;
    }
    return { json: parts.join(","), next: null };
  }

  /** One device by stable id or number, if `ownerId` is null or its owner. */
  device(id: string, hasAllFields: boolean, ownerId: number | null): Device | DeviceDetails | null {
    const node = this.#nodeOf(id, ownerId);
    if (node === undefined) return null;
    return (hasAllFields ? toDeviceDetails : toDevice)(this.#tailnet, node, this.#settings);
  }

  /** Routes of a device, if `ownerId` is null or its owner. */
  deviceRoutes(id: string, ownerId: number | null): DeviceRoutes | null {
    const node = this.#nodeOf(id, ownerId);
    return node === undefined ? null : toDeviceRoutes(node);
  }

  /** Changes a device as `user`, if `ownerId` is null or its owner. */
  changeDevice(id: string, action: DeviceAction, user: User, ownerId: number | null): Outcome<null> {
    return this.#runtime.execute((tailnet, { now }) => {
      const node = this.#nodeOf(id, ownerId);
      if (node === undefined) return refused({ reason: "not-found", what: "device" });
      const decision = this.#decide(node, action, { tailnet, user, now });
      return decision.ok ? decided(null, decision.changes) : decision;
    });
  }

  /** Sets the approved routes of a device, if `ownerId` is null or its owner. */
  setDeviceRoutes(id: string, routes: readonly string[], ownerId: number | null): Outcome<DeviceRoutes> {
    return this.#runtime.execute((): Decision<DeviceRoutes> => {
      const node = this.#nodeOf(id, ownerId);
      if (node === undefined) return refused({ reason: "not-found", what: "device" });
      const decision = approveRoutes(node, routes);
      return decision.ok ? decided(toDeviceRoutes(decision.result), decision.changes) : decision;
    });
  }

  /** Makes an auth key that belongs to `user`. */
  createAuthKey(user: User, spec: AuthKeySpec): Outcome<{ readonly key: KeyRecord; readonly text: string }> {
    const outcome = this.#runtime.execute((tailnet, context) => createAuthKey(tailnet, user, spec, context));
    if (!outcome.ok) return outcome;
    return {
      ok: true,
      result: { key: toAuthKeyRecord(this.#tailnet, outcome.result.key, Date.now()), text: outcome.result.text },
    };
  }

  /** Keys that can still be used, newest first. */
  activeKeys(owners: KeyOwners): KeyRecord[] {
    const now = Date.now();
    const tailnet = this.#tailnet;
    const isOf = ({ keyType, userId }: KeyRecord) => owners[keyType] === null || owners[keyType] === userId;
    const authKeys = [...tailnet.authKeys.values()].map((key) => toAuthKeyRecord(tailnet, key, now));
    const apiTokens = [...tailnet.apiTokens.values()].map((token) => toApiTokenRecord(tailnet, token, now));
    return [...authKeys, ...apiTokens]
      .filter((key) => key.isActive && isOf(key))
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  /** One key, active or not. */
  key(id: string): KeyRecord | null {
    const key = this.#tailnet.authKeys.get(id);
    if (key !== undefined) return toAuthKeyRecord(this.#tailnet, key, Date.now());
    const token = this.#tailnet.apiTokens.get(id);
    return token === undefined ? null : toApiTokenRecord(this.#tailnet, token, Date.now());
  }

  /** Revokes an auth key or API token. */
  revokeKey(id: string): Outcome<null> {
    return this.#runtime.execute((tailnet, { now }) => revokeKey(tailnet, id, now));
  }

  /** The policy file in force. */
  policy(): PolicyRecord {
    return toPolicyRecord(this.#tailnet.policy);
  }

  /**
   * Replaces the policy file if the one in force has the tag `ifMatch`: its own, `ts-default` for the file that a new
   * tailnet starts with, `*` for any. A file that is wrong is refused as such whatever the tag (api-v2.md 2.6).
   */
  setPolicy(text: string, user: User, ifMatch: string): Outcome<PolicyRecord> {
    return this.#runtime.execute((tailnet, { now }): Decision<PolicyRecord> => {
      const decision = setPolicy(tailnet, text, user.loginName, now);
      if (!decision.ok) return decision;
      if (!hasTag(tailnet.policy, ifMatch)) return refused({ reason: "precondition-failed" });
      return decided(toPolicyRecord(decision.result), decision.changes);
    });
  }

  /** Checks a policy file and runs its tests; changes nothing. */
  checkPolicy(text: string): PolicyFindings {
    const parsed = parsePolicy(text);
    if (!parsed.ok) return { errors: parsed.problems, warnings: [], failures: [] };
    return { errors: [], warnings: parsed.warnings, failures: failedTests(this.#tailnet, parsed.policy) };
  }

  /** Runs tests, written as in the section `tests`, against the policy in force. */
  runPolicyTests(text: string): PolicyFindings {
    const parsed = parsePolicy(`{"tests":\n${text}}`);
    const moved = (problem: PolicyProblem) => ({ ...problem, line: Math.max(1, problem.line - 1) });
    if (!parsed.ok) return { errors: parsed.problems.map(moved), warnings: [], failures: [] };
    const policy = { ...this.#tailnet.compiledPolicy, tests: parsed.policy.tests, sshTests: [] };
    return { errors: [], warnings: [], failures: failedTests(this.#tailnet, policy) };
  }

  /** The browser that holds a session cookie; one without a valid cookie gets a new session. */
  visit(cookie: string): Visit {
    const now = Date.now();
    const session = openSession(this.#sessionKey(), cookie, now) ?? newSession(null, now, randomBytes);
    const user = session.userId === null ? undefined : this.#tailnet.users.get(session.userId);
    if (session.userId === null || (user !== undefined && !user.isSuspended))
      return this.#visitOf(session, user ?? null);
    return this.#visitOf(newSession(null, now, randomBytes), null);
  }

  /** The browser that sent a form; null when the form was not made for its session. */
  submission(cookie: string, token: string): Visit | null {
    const visit = this.visit(cookie);
    return equalInConstantTime(token, visit.formToken) ? visit : null;
  }

  /** Signs a user in. @returns value for the session cookie */
  signIn(user: User): string {
    return sealSession(this.#sessionKey(), newSession(user.id, Date.now(), randomBytes));
  }

  /** A registration that waits for a person; null when it is unknown or over. */
  pendingRegistration(id: string): PendingRegistration | null {
    return waiting(this.#tailnet, id, Date.now()) ?? null;
  }

  /** Approves a registration as `user`. */
  approveLogin(pendingId: string, user: User): Outcome<Node> {
    return this.#runtime.execute((tailnet, context) => approveLogin(tailnet, pendingId, user, context));
  }

  /** Denies a registration. */
  denyLogin(pendingId: string, user: User): Outcome<null> {
    return this.#runtime.execute((tailnet, context) => denyLogin(tailnet, pendingId, user, context));
  }

  get #tailnet(): Tailnet {
    return this.#runtime.tailnet;
  }

  #nodeOf(id: string, ownerId: number | null): Node | undefined {
    const node = nodeByPublicId(this.#tailnet, id);
    return ownerId === null || node?.userId === ownerId ? node : undefined;
  }

  /** A device's entry in a list; undefined when the query does not want it. */
  #listed(node: Node, { hasAllFields, filters, ownerId }: DeviceQuery): string | undefined {
    if (ownerId !== null && node.userId !== ownerId) return undefined;
    if (!hasAllFields && filters.length === 0) return JSON.stringify(toDevice(this.#tailnet, node, this.#settings));
    const details = toDeviceDetails(this.#tailnet, node, this.#settings);
    if (!meetsFilters(details, filters)) return undefined;
    return JSON.stringify(hasAllFields ? details : toDevice(this.#tailnet, node, this.#settings));
  }

  #visitOf(session: LoginSession, user: User | null): Visit {
    const key = this.#sessionKey();
    return { user, cookie: sealSession(key, session), formToken: formToken(key, session) };
  }

  #decide(
    node: Node,
    action: DeviceAction,
    { tailnet, user, now }: { tailnet: Tailnet; user: User; now: number },
  ): Decision<unknown> {
    switch (action.type) {
      case "delete":
        return deleteNode(node);
      case "expire":
        return expireNode(node, now);
      case "authorize":
        return authorizeNode(node, action.isAuthorized);
      case "disable-key-expiry":
        return setKeyExpiryDisabled(node, action.isDisabled);
      case "rename":
        return renameNode(tailnet, node, action.name, this.#settings.magicDnsSuffix);
      case "tag":
        return tagNode(tailnet, node, action.tags, { user, now });
    }
  }
}

/** Names of the operations that may be called by RPC. */
export type AdministrationMethod = Exclude<keyof Administration, symbol>;
