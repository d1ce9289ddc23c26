// What administrators and login pages may ask of a tailnet. The Worker has authenticated the caller; what the caller
// may do is checked there too, in one table (routes/api/v2). Methods take and return plain data: they are called by RPC.
import type { Settings } from "../env.ts";
import type { TailnetRuntime, Outcome } from "../runtime/tailnet-runtime.ts";
import { type Decision, decided, type PolicyVersion, refused } from "../tailnet/change.ts";
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
import { setPolicy } from "../tailnet/commands/set-policy.ts";
import type { AuthKey } from "../tailnet/entities/auth-key.ts";
import type { Node } from "../tailnet/entities/node.ts";
import type { PendingRegistration } from "../tailnet/entities/pending-registration.ts";
import { matchesHash, splitToken } from "../tailnet/entities/secret-token.ts";
import type { User } from "../tailnet/entities/user.ts";
import { nodeByPublicId, type Tailnet } from "../tailnet/tailnet.ts";

/** A node with what the public API shows beside it. */
export interface DeviceRecord {
  readonly node: Node;
  /** Login name of its user; null when tagged. */
  readonly loginName: string | null;
  readonly magicDnsSuffix: string;
}

/** A change that an administrator makes to a device. */
export type DeviceAction =
  | { readonly type: "delete" }
  | { readonly type: "expire" }
  | { readonly type: "authorize"; readonly isAuthorized: boolean }
  | { readonly type: "disable-key-expiry"; readonly isDisabled: boolean }
  | { readonly type: "rename"; readonly name: string }
  | { readonly type: "tag"; readonly tags: readonly string[] }
  | { readonly type: "approve-routes"; readonly routes: readonly string[] };

/** What the policy file must be before it is replaced; null: anything. */
export interface PolicyPrecondition {
  /** Only the file that a new tailnet starts with. */
  readonly mustBeDefault: boolean;
  /** Only this very text. */
  readonly text: string | null;
}

/** The administrative side of one tailnet. */
export class Administration {
  readonly #runtime: TailnetRuntime;
  readonly #settings: Settings;

  constructor(runtime: TailnetRuntime, settings: Settings) {
    this.#runtime = runtime;
    this.#settings = settings;
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

  /** All devices in order of creation. */
  devices(): DeviceRecord[] {
    return [...this.#tailnet.nodes.values()].sort((a, b) => a.id - b.id).map((node) => this.#record(node));
  }

  /** One device by stable id or number. */
  device(id: string): DeviceRecord | null {
    const node = nodeByPublicId(this.#tailnet, id);
    return node === undefined ? null : this.#record(node);
  }

  /** Changes a device. */
  changeDevice(id: string, action: DeviceAction, user: User): Outcome<null> {
    return this.#runtime.execute((tailnet, { now }) => {
      const node = nodeByPublicId(tailnet, id);
      if (node === undefined) return refused({ reason: "not-found", what: "device" });
      const decision = this.#decide(tailnet, node, action, user, now);
      return decision.ok ? decided(null, decision.changes) : decision;
    });
  }

  /** Makes an auth key that belongs to `user`. */
  createAuthKey(user: User, spec: AuthKeySpec): Outcome<{ readonly key: AuthKey; readonly text: string }> {
    return this.#runtime.execute((tailnet, context) => createAuthKey(tailnet, user, spec, context));
  }

  /** All auth keys, newest first; revoked and expired ones too. */
  authKeys(): AuthKey[] {
    return [...this.#tailnet.authKeys.values()].sort((a, b) => b.createdAt - a.createdAt);
  }

  /** Revokes an auth key or API token. */
  revokeKey(id: string): Outcome<null> {
    return this.#runtime.execute((tailnet, { now }) => revokeKey(tailnet, id, now));
  }

  /** The policy file in force. */
  policy(): PolicyVersion {
    return this.#tailnet.policy;
  }

  /** Replaces the policy file if it is what the caller thinks it is; check and write are one step. */
  setPolicy(text: string, user: User, precondition: PolicyPrecondition): Outcome<PolicyVersion> {
    return this.#runtime.execute((tailnet, { now }): Decision<PolicyVersion> => {
      const isStale =
        (precondition.mustBeDefault && !tailnet.policy.isDefault) ||
        (precondition.text !== null && precondition.text !== tailnet.policy.text);
      if (isStale) return refused({ reason: "precondition-failed" });
      return setPolicy(tailnet, text, user.loginName, now);
    });
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

  #record(node: Node): DeviceRecord {
    const user = node.userId === null ? undefined : this.#tailnet.users.get(node.userId);
    return { node, loginName: user?.loginName ?? null, magicDnsSuffix: this.#settings.magicDnsSuffix };
  }

  #decide(tailnet: Tailnet, node: Node, action: DeviceAction, user: User, now: number): Decision<unknown> {
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
        return tagNode(tailnet, node, action.tags, user);
      case "approve-routes":
        return approveRoutes(node, action.routes);
    }
  }
}

/** Names of the operations that may be called by RPC. */
export type AdministrationMethod = Exclude<keyof Administration, symbol>;
