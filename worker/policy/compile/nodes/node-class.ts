// Classes of nodes that no selector, literal or route tells apart (policy.md 26.3): what depends on the class alone is
// computed once for all of its members. A tailnet has few classes next to its nodes.
import type { CapMap } from "../../../protocol/control/filter-rule.ts";
import { Bitset } from "../../bitset.ts";
import type { Plan } from "../plan.ts";
import { capMapFor } from "../views/node-attributes.ts";
import { CONTAINED, MEMBER, type Touches } from "./touches.ts";

/** Nodes with equal touches and equal standing as exit nodes. */
export interface NodeClass {
  readonly key: string;
  readonly touches: Touches;
  /** The atoms of `touches`. */
  readonly touched: Bitset;
  /** Atoms that peers of the class touch. */
  readonly reach: Bitset;
  readonly isExit: boolean;
  /** Source templates that list both addresses of the class's nodes. */
  readonly memberOf: readonly number[];
  /** Tells whether the class's user nodes are sources of some rule to autogroup:self. */
  readonly isSelfSource: boolean;
  /** Attributes that the policy gives the class's nodes. */
  readonly capMap: CapMap;
  /** Nodes in the class; an empty class is forgotten. */
  size: number;
}

/** Tells whether one of the atoms selects the class's nodes, by identity or address; routes do not count. */
export function isSelected(nodeClass: NodeClass, atoms: readonly number[]): boolean {
  return atoms.some((atom) => ((nodeClass.touches.get(atom) ?? 0) & (MEMBER | CONTAINED)) !== 0);
}

/** The key of the class that a node with these touches belongs to. */
export function classKey(touches: Touches, isExit: boolean): string {
  let key = isExit ? "exit" : "";
  for (const atom of [...touches.keys()].sort((a, b) => a - b)) key += `,${atom * 8 + (touches.get(atom) as number)}`;
  return key;
}

/** Makes an empty class. */
export function nodeClass(key: string, touches: Touches, isExit: boolean, plan: Plan): NodeClass {
  const touched = Bitset.of(touches.keys());
  const reach = new Bitset();
  for (const atom of touches.keys()) {
    const opposite = plan.atoms[atom]?.opposite;
    if (opposite !== undefined) reach.addAll(opposite);
  }
  const isMember = (atom: number) => ((touches.get(atom) ?? 0) & MEMBER) !== 0;
  const created: NodeClass = {
    key,
    touches,
    touched,
    reach,
    isExit,
    memberOf: plan.sources.filter((source) => source.atoms.some(isMember)).map((source) => source.index),
    isSelfSource: false,
    capMap: capMapFor(plan.attributes, plan.policy.network, touches),
    size: 0,
  };
  return { ...created, isSelfSource: plan.selfSources.some((sources) => isSelected(created, sources)) };
}
