// A policy as data: what a checked policy file means, before any node or user is known (policy.md 2). Made by parse.ts,
// read by the engine. Names are resolved as far as the file alone allows: hosts and ipsets are address sets here, old
// field names are gone, ports and protocols are numbers, and defaults are filled in.
import type { DerpOverlay } from "../protocol/control/derp-map.ts";
import type { CapMap, PortRange } from "../protocol/control/filter-rule.ts";
import type { Role } from "./inventory.ts";
import type { PrefixSet } from "./prefix-set.ts";

/** What stands in lists of sources, destinations, targets, owners and approvers (policy.md 4). */
export type Selector =
  | { readonly kind: "any" }
  /** An address, CIDR, range, host or ipset. */
  | { readonly kind: "literal"; readonly set: PrefixSet }
  | { readonly kind: "user"; readonly login: string }
  | { readonly kind: "group"; readonly name: string; readonly members: readonly string[] }
  | { readonly kind: "tag"; readonly tag: string }
  /** `user:*@domain`. */
  | { readonly kind: "domain"; readonly domain: string }
  | { readonly kind: "member" }
  | { readonly kind: "tagged" }
  | { readonly kind: "role"; readonly role: Exclude<Role, "member"> }
  | { readonly kind: "self" }
  | { readonly kind: "internet" }
  | { readonly kind: "danger-all" }
  | { readonly kind: "shared" }
  | { readonly kind: "service"; readonly name: string };

/** A destination with the ports that may be reached there. */
export interface PortEntry {
  readonly selector: Selector;
  readonly ports: readonly PortRange[];
}

/**
 * A piece of a rule that becomes one FilterRule (and, for capabilities, its companions). Self parts have no selectors
 * of their own: their destination is the receiving node's user.
 */
export type RulePart =
  | {
      readonly kind: "ports";
      readonly isSelf: boolean;
      /** Null when the policy names none, which means TCP, UDP, ICMPv4 and ICMPv6. */
      readonly protocol: number | null;
      readonly entries: readonly PortEntry[];
    }
  | {
      readonly kind: "app";
      readonly isSelf: boolean;
      readonly destinations: readonly Selector[];
      readonly capMap: CapMap;
    };

/** One entry of `acls` or `grants`. */
export interface AccessRule {
  readonly section: "acls" | "grants";
  /** Index within its section. */
  readonly index: number;
  /** Line of the file at which the entry starts, counted from 1; 0 for the rule of a file without acls and grants. */
  readonly line: number;
  readonly sources: readonly Selector[];
  /** Destinations other than self, in groups: a group makes peers and routes visible as a whole. */
  readonly destinations: readonly (readonly Selector[])[];
  /** Parts in the order in which they reach a packet filter. */
  readonly parts: readonly RulePart[];
  /** Tags of the routers that the rule steers to; empty for none. */
  readonly via: readonly string[];
  /** Postures of which a source node must meet one; null when none is asked for. */
  readonly postures: readonly Posture[] | null;
  /** Sources, and destinations with what may be reached there, in the words of the file: for people. */
  readonly written: { readonly sources: readonly string[]; readonly destinations: readonly string[] };
}

/** A named set of conditions on a node's attributes, all of which must hold. */
export interface Posture {
  readonly name: string;
  readonly conditions: readonly PostureCondition[];
}

/** `attribute operator value`; see policy.md 18. */
export interface PostureCondition {
  readonly attribute: string;
  readonly operator: "==" | "!=" | "<" | "<=" | ">" | ">=" | "IN" | "NOT IN" | "IS SET" | "NOT SET";
  /** One value for comparisons, any number for IN and NOT IN, none for IS SET and NOT SET. */
  readonly values: readonly (string | number | boolean)[];
}

/** A custom posture attribute, as `attrConfig` declares it. */
export interface AttributeConfig {
  readonly type: "string" | "number" | "bool";
  readonly allowSetByNode: boolean;
  readonly broadcastToPeers: boolean;
}

/** One entry of `ssh`. */
export interface SSHAccessRule {
  readonly action: "accept" | "check";
  readonly sources: readonly Selector[];
  readonly destinations: readonly Selector[];
  readonly toSelf: boolean;
  /** Literal login names, in file order. */
  readonly logins: readonly string[];
  readonly allowsRoot: boolean;
  readonly allowsNonroot: boolean;
  /** Domains D of `localpart:*@D`. */
  readonly localpartDomains: readonly string[];
  /** How long a check lasts; 0 means that every session is checked. */
  readonly checkPeriodSeconds: number;
  readonly acceptEnv: readonly string[];
  /** Tags of session recorders. */
  readonly recorders: readonly string[];
  readonly enforceRecorder: boolean;
  readonly postures: readonly Posture[] | null;
}

/** One entry of `nodeAttrs`. */
export interface NodeAttributeRule {
  readonly targets: readonly Selector[];
  /** Attributes and app values, as they go into a CapMap. */
  readonly capMap: CapMap;
  /** Ranges from which new addresses of the targets are taken; empty for the default. */
  readonly ipPool: PrefixSet;
}

/** Whose routes and services are approved without asking. */
export interface AutoApprovers {
  /** Canonical prefix, approvers. */
  readonly routes: readonly { readonly set: PrefixSet; readonly approvers: readonly Selector[] }[];
  readonly exitNode: readonly Selector[];
  /** `svc:x` or a tag → approvers. */
  readonly services: ReadonlyMap<string, readonly Selector[]>;
}

/** One entry of `tests`, unchecked: a malformed one fails when it is run (policy.md 19). */
export interface AccessTest {
  readonly line: number;
  readonly source: string;
  readonly accept: readonly string[];
  readonly deny: readonly string[];
  readonly protocol: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>> | null;
}

/** One entry of `sshTests` (policy.md 20). */
export interface SSHTest {
  readonly line: number;
  readonly source: string;
  readonly destinations: readonly string[];
  readonly accept: readonly string[];
  readonly check: readonly string[];
  readonly deny: readonly string[];
  readonly attributes: Readonly<Record<string, string | number | boolean>> | null;
}

/** Network options (policy.md 21). */
export interface NetworkOptions {
  /** What `derpMap` changes about the deployment's map; null when absent. */
  readonly derpMap: DerpOverlay | null;
  readonly disableIPv4: boolean;
  readonly oneCGNATRoute: "" | "mac-always" | "mac-never";
  readonly randomizeClientPort: boolean;
}

/** A checked policy file. Immutable; engines may share it. */
export interface Policy {
  /** The file as posted. */
  readonly text: string;
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Host alias → its one range. */
  readonly hosts: ReadonlyMap<string, PrefixSet>;
  readonly ipsets: ReadonlyMap<string, PrefixSet>;
  readonly tagOwners: ReadonlyMap<string, readonly Selector[]>;
  readonly postures: ReadonlyMap<string, Posture>;
  readonly attributeConfig: ReadonlyMap<string, AttributeConfig>;
  /** Grants, then acls; the allow-all rule when the file has neither section. */
  readonly rules: readonly AccessRule[];
  readonly ssh: readonly SSHAccessRule[];
  readonly nodeAttrs: readonly NodeAttributeRule[];
  readonly autoApprovers: AutoApprovers;
  readonly tests: readonly AccessTest[];
  readonly sshTests: readonly SSHTest[];
  readonly network: NetworkOptions;
}
