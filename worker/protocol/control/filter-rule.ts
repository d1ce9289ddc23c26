// Packet filter rules as they travel in a MapResponse (tailcfg FilterRule, NetPortRange, CapGrant). A node accepts a
// packet when some rule has the packet's source among SrcIPs and its destination among DstPorts. Types only: the
// policy compiler emits these values and nothing on our side reads them back. SrcBits and the capability form of
// SrcIPs (`cap:name`) are left out.

/** An inclusive range of ports; 0–65535 means every port. */
export interface PortRange {
  readonly First: number;
  readonly Last: number;
}

/** A destination: `*`, an address, a CIDR or a range `a-b`, with the ports that may be reached there. */
export interface NetPortRange {
  readonly IP: string;
  readonly Ports: PortRange;
}

/** Values of node and peer capabilities by name; null is the bare capability. */
export type CapMap = Readonly<Record<string, readonly unknown[] | null>>;

/** Application capabilities that the sources of a rule have towards some addresses of the receiving node. */
export interface CapGrant {
  /** Prefixes, single addresses as /32 and /128. */
  readonly Dsts: readonly string[];
  readonly CapMap: CapMap;
}

/** One rule of a packet filter: either DstPorts (with an optional IPProto) or CapGrant is set, never both. */
export interface FilterRule {
  /** `*`, addresses, CIDRs and ranges `a-b`, sorted bytewise. */
  readonly SrcIPs: readonly string[];
  readonly DstPorts?: readonly NetPortRange[];
  /** IP protocol numbers; absent means TCP, UDP, ICMPv4 and ICMPv6. */
  readonly IPProto?: readonly number[];
  readonly CapGrant?: readonly CapGrant[];
}
