// A packet filter as all nodes share it that neither selectors nor users nor routes tell apart: where a node's own
// addresses stand, a template has a gap. Nodes' filters are filled in from it, and two policies are compared by it.
import type { CapMap, FilterRule, NetPortRange, PortRange } from "../../../protocol/control/filter-rule.ts";
import { addressBits } from "../../../protocol/ip.ts";
import type { NodeAddress } from "../nodes/node-address.ts";
import type { NodeRecord } from "../nodes/node-record.ts";

/** Who is let through: a key that equal SrcIPs share, and the SrcIPs when somebody asks. */
export interface TemplateSource {
  readonly key: string;
  texts(): readonly string[];
}

/** Destinations of a rule: ranges as they are, or ports at the node's own addresses. */
export type TargetPart =
  | { readonly written: readonly NetPortRange[] }
  /** A gap. */
  | { readonly ownPorts: readonly PortRange[] };

/** A FilterRule with gaps. */
export type RuleTemplate =
  | { readonly source: TemplateSource; readonly protocol: number | null; readonly parts: readonly TargetPart[] }
  | {
      readonly source: TemplateSource;
      readonly capMap: CapMap;
      /** Dsts; `own` stands for the node's addresses. */
      readonly destinations: readonly string[] | "own";
    };

/** The rules of a filter, in order. Valid until anything in the tailnet changes, since sources are rendered late. */
export class FilterTemplate {
  readonly rules: readonly RuleTemplate[];
  /** True when it was made for one node and fits no other. */
  readonly isNodeSpecific: boolean;
  readonly #hasGaps: boolean;
  #filter: readonly FilterRule[] | null = null;

  constructor(rules: readonly RuleTemplate[], isNodeSpecific: boolean) {
    this.rules = rules;
    this.isNodeSpecific = isNodeSpecific;
    this.#hasGaps = rules.some(hasGap);
  }

  /** The filter of a node; one for all when nothing in it is a node's own. */
  fill({ addresses }: NodeRecord): readonly FilterRule[] {
    if (this.#hasGaps) return this.rules.map((rule) => fillRule(rule, addresses));
    this.#filter ??= this.rules.map((rule) => fillRule(rule, []));
    return this.#filter;
  }
}

function hasGap(rule: RuleTemplate): boolean {
  return "parts" in rule ? rule.parts.some((part) => "ownPorts" in part) : rule.destinations === "own";
}

function fillRule(rule: RuleTemplate, addresses: readonly NodeAddress[]): FilterRule {
  const SrcIPs = rule.source.texts();
  if ("capMap" in rule) {
    const Dsts = rule.destinations === "own" ? addresses.map(hostPrefix) : rule.destinations;
    return { SrcIPs, CapGrant: [{ Dsts, CapMap: rule.capMap }] };
  }
  const DstPorts = fillParts(rule.parts, addresses);
  return rule.protocol === null ? { SrcIPs, DstPorts } : { SrcIPs, IPProto: [rule.protocol], DstPorts };
}

function fillParts(parts: readonly TargetPart[], addresses: readonly NodeAddress[]): readonly NetPortRange[] {
  const [only] = parts;
  if (only !== undefined && parts.length === 1 && "written" in only) return only.written;
  const ranges: NetPortRange[] = [];
  for (const part of parts) {
    if ("written" in part) ranges.push(...part.written);
    else for (const { text } of addresses) for (const Ports of part.ownPorts) ranges.push({ IP: text, Ports });
  }
  return ranges;
}

/** A node's address as an entry of Dsts. */
export function hostPrefix({ address, text }: NodeAddress): string {
  return `${text}/${addressBits(address)}`;
}

/** Tells whether two templates make equal filters for any node. */
export function isSameTemplate(a: FilterTemplate, b: FilterTemplate): boolean {
  return a.rules.length === b.rules.length && a.rules.every((rule, i) => isSameRule(rule, b.rules[i] as RuleTemplate));
}

function isSameRule(a: RuleTemplate, b: RuleTemplate): boolean {
  if (a.source.key !== b.source.key) return false;
  if ("parts" in a) return "parts" in b && a.protocol === b.protocol && isSameList(a.parts, b.parts, isSamePart);
  if ("parts" in b) return false;
  return (
    JSON.stringify(a.destinations) === JSON.stringify(b.destinations) &&
    (a.capMap === b.capMap || JSON.stringify(a.capMap) === JSON.stringify(b.capMap))
  );
}

function isSamePart(a: TargetPart, b: TargetPart): boolean {
  if ("written" in a) return "written" in b && isSameList(a.written, b.written, isSameTarget);
  return "ownPorts" in b && isSameList(a.ownPorts, b.ownPorts, isSamePorts);
}

function isSameTarget(a: NetPortRange, b: NetPortRange): boolean {
  return a.IP === b.IP && isSamePorts(a.Ports, b.Ports);
}

function isSamePorts(a: PortRange, b: PortRange): boolean {
  return a.First === b.First && a.Last === b.Last;
}

function isSameList<T>(a: readonly T[], b: readonly T[], isSame: (a: T, b: T) => boolean): boolean {
  return a === b || (a.length === b.length && a.every((item, i) => isSame(item, b[i] as T)));
}
