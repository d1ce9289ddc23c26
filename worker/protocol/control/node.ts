// Node as map responses carry it, self and peers (tailcfg.Node, control-protocol.md 5.9), and the patch form of a
// peer's change (tailcfg.PeerChange, 5.7). Fields of features that do not exist yet are left out.
import type { DiscoKey, MachineKey, NodeKey } from "../keys.ts";
import type { Hostinfo } from "./hostinfo.ts";

/** One node on the wire. Name ends with a dot; prefixes are masked; times are RFC 3339. */
export interface WireNode {
  readonly ID: number;
  readonly StableID: string;
  readonly Name: string;
  readonly User: number;
  readonly Key: NodeKey;
  readonly KeyExpiry?: string;
  readonly Machine: MachineKey;
  readonly DiscoKey?: DiscoKey;
  readonly Addresses: readonly string[];
  /** Absent: the same as Addresses. */
  readonly AllowedIPs?: readonly string[];
  readonly Endpoints?: readonly string[];
  readonly HomeDERP?: number;
  readonly Hostinfo: Hostinfo;
  readonly Created: string;
  readonly Cap: number;
  readonly Tags?: readonly string[];
  readonly PrimaryRoutes?: readonly string[];
  readonly LastSeen?: string;
  readonly Online?: boolean;
  readonly MachineAuthorized: boolean;
  readonly Expired?: boolean;
  readonly CapMap?: Readonly<Record<string, unknown>>;
}

/** What changed of a peer that the receiver knows already; absent fields are unchanged. */
export interface PeerChange {
  readonly NodeID: number;
  readonly DERPRegion?: number;
  readonly Endpoints?: readonly string[];
  readonly Online?: boolean;
  readonly LastSeen?: string;
  readonly Key?: NodeKey;
  readonly DiscoKey?: DiscoKey;
  readonly KeyExpiry?: string;
  readonly Cap?: number;
}
