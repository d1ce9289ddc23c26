// What a policy is resolved against: the tailnet's users and nodes, reduced to what the policy can see (policy.md 3).
// Names, keys, endpoints and the like are absent on purpose: a change of them is no policy change.

/** A user's role in the tailnet; the owner counts as admin too. */
export type Role = "owner" | "admin" | "it-admin" | "network-admin" | "billing-admin" | "auditor" | "member";

/** A user; `loginName` is an email address or `name@provider`, in lower case. */
export interface PolicyUser {
  readonly id: number;
  readonly loginName: string;
  readonly role: Role;
}

/** Value of a device posture attribute. */
export type PostureValue = string | number | boolean;

/** How far a node is from relay regions. */
export interface RelayDistances {
  /** Its home; 0 when unknown. */
  readonly home: number;
  /** Milliseconds to regions that it measured. */
  readonly latencies: ReadonlyMap<number, number>;
}

/** A node. Ids ascend in order of registration, which elects primary routers. */
export interface PolicyNode {
  readonly id: number;
  /** Null exactly when the node is tagged. */
  readonly userId: number | null;
  readonly tags: readonly string[];
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  /** Effective routes: advertised and approved, masked, exit routes included. */
  readonly routes: readonly string[];
  readonly isOnline: boolean;
  /** Device posture attributes (policy.md 18), `node:os` and the like; absent means none known. */
  readonly attributes?: Readonly<Record<string, PostureValue>>;
  /** Leads it to the closest of several routers, and others to it; absent: one router is everybody's. */
  readonly distances?: RelayDistances | undefined;
}
