// A node: one login profile of a device, as the tailnet stores it (control-protocol.md 0.4). Immutable: a change makes
// a new record, so that the record before and after can be compared.
import { advertisedRoutes, type Hostinfo } from "../../protocol/control/hostinfo.ts";
import type { DiscoKey, MachineKey, NodeKey, TailnetLockKey } from "../../protocol/keys.ts";
import type { DeviceAttributes } from "./device-attribute.ts";

/** A node's number: unique in the tailnet, never reused, at most 2^53 − 1. */
export type NodeId = number;

/** A node. Instants are milliseconds since 1970. */
export interface Node {
  readonly id: NodeId;
  /** Opaque name for life, `n…CNTRL`; also the public API's device id. */
  readonly stableId: string;
  readonly machineKey: MachineKey;
  readonly nodeKey: NodeKey;
  readonly discoKey: DiscoKey | null;
  readonly tailnetLockKey: TailnetLockKey | null;
  /** Owner; null exactly when `tags` is not empty. */
  readonly userId: number | null;
  /** Sorted; not empty: the node is tagged and belongs to no user. */
  readonly tags: readonly string[];
  /** First label of the node's DNS name, unique in the tailnet. */
  readonly name: string;
  /** The name was chosen by an administrator and no longer follows the host name. */
  readonly isNameFixed: boolean;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly hostinfo: Hostinfo;
  /** `ip:port`, in the client's order. */
  readonly endpoints: readonly string[];
  /** Home DERP region; 0 when unknown. */
  readonly homeDerp: number;
  readonly capabilityVersion: number;
  readonly createdAt: number;
  /** Null: the key never expires by date. */
  readonly keyExpiresAt: number | null;
  /** The stored expiry has no effect. */
  readonly isKeyExpiryDisabled: boolean;
  readonly isAuthorized: boolean;
  /** Its user is suspended or waits for approval. Follows the user's record and is not stored (evolve.ts). */
  readonly isUserBarred: boolean;
  readonly isEphemeral: boolean;
  /** Prefixes that an administrator or the policy approved, advertised now or not; sorted. */
  readonly approvedRoutes: readonly string[];
  /** Has a map stream and a valid key, or lost the stream so recently that peers are not told yet. */
  readonly isOnline: boolean;
  /** When the last map stream ended, while `isOnline`; null: a stream is open. */
  readonly disconnectedAt: number | null;
  /** When the node was last seen; null: never connected, or online. */
  readonly lastSeenAt: number | null;
  /** Auth key that the current login used; null: interactive. */
  readonly authKeyId: string | null;
  /** Device posture attributes that were set, by name; those that the node itself is are not here (device-attribute.ts). */
  readonly attributes: DeviceAttributes;
}

/** Tells whether the node's key is past its expiry. */
export function isKeyExpired(node: Node, now: number): boolean {
  const at = keyExpiryOf(node);
  return at !== null && at <= now;
}

/** Tells whether a node's records differ in nothing but when its last map stream ended, which no peer is shown. */
export function isSameButForStreams(a: Node, b: Node): boolean {
  for (const name of Object.keys(a) as (keyof Node)[]) {
    if (a[name] !== b[name] && name !== "disconnectedAt") return false;
  }
  return true;
}

/** Tells whether the node takes part in the tailnet at all: it is authorised and its user is not barred. */
export function takesPart(node: Node): boolean {
  return node.isAuthorized && !node.isUserBarred;
}

/** Tells whether the node gets a netmap with peers and rules: it takes part and its key is valid. */
export function isServed(node: Node, now: number): boolean {
  return takesPart(node) && !isKeyExpired(node, now);
}

/** The key expiry in force: null when there is none or it is disabled. */
export function keyExpiryOf(node: Node): number | null {
  return node.isKeyExpiryDisabled ? null : node.keyExpiresAt;
}

/** Routes in effect: advertised and approved, in the order advertised. */
export function effectiveRoutes(node: Node): readonly string[] {
  const advertised = advertisedRoutes(node.hostinfo);
  if (advertised.length === 0 || node.approvedRoutes.length === 0) return [];
  const approved = new Set(node.approvedRoutes);
  return advertised.filter((prefix) => approved.has(prefix));
}

type Ownership = Pick<Node, "userId" | "tags">;

/** Tells whether both belong to the same user, or carry the same tags. */
export function hasSameOwner(a: Ownership, b: Ownership): boolean {
  return a.userId === b.userId && a.tags.length === b.tags.length && a.tags.every((tag, i) => tag === b.tags[i]);
}

/** Tells whether the node carries tags instead of belonging to a user. */
export function isTagged(node: Node): boolean {
  return node.tags.length > 0;
}
