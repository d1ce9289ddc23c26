// Node attributes: the CapMap that the policy gives a node for itself (policy.md 17, 21). What a tailnet adds to every
// node, or by role, is no policy and not here.
import type { CapMap } from "../../../protocol/control/filter-rule.ts";
import type { PolicyNode } from "../../inventory.ts";
import type { NetworkOptions } from "../../policy.ts";
import { CONTAINED, MEMBER, type Touches } from "../nodes/touches.ts";

/** An entry of nodeAttrs with its targets as atoms. */
export interface AttributeTemplate {
  readonly targets: readonly number[];
  readonly capMap: CapMap;
}

/** The attribute that hides a node's IPv4 address, and those of its peers from it. */
export const DISABLE_IPV4 = "disable-ipv4";

/** The union of the entries that target a node with these touches. Values of one name add up. */
export function capMapFor(templates: readonly AttributeTemplate[], network: NetworkOptions, touches: Touches): CapMap {
  const capMap: Record<string, readonly unknown[] | null> = {};
  if (network.randomizeClientPort) capMap["randomize-client-port"] = null;
  if (network.disableIPv4) capMap[DISABLE_IPV4] = null;
  for (const template of templates) {
    if (!template.targets.some((atom) => isTarget(touches.get(atom)))) continue;
    for (const [name, values] of Object.entries(template.capMap)) {
      capMap[name] = joined(Object.hasOwn(capMap, name) ? capMap[name] : undefined, values);
    }
  }
  return capMap;
}

/** A target names nodes and addresses; serving a route into it is not enough. */
function isTarget(touch: number | undefined): boolean {
  return touch !== undefined && (touch & (MEMBER | CONTAINED)) !== 0;
}

function joined(a: readonly unknown[] | null | undefined, b: readonly unknown[] | null): readonly unknown[] | null {
  if (a === undefined || a === null) return b;
  return b === null ? a : [...a, ...b];
}

/** What OneCGNATRoute adds for nodes that are known to run macOS; undefined for all others. */
export function oneCGNATKey(network: NetworkOptions, node: PolicyNode): string | undefined {
  if (network.oneCGNATRoute === "" || node.attributes?.["node:os"] !== "macos") return undefined;
  return network.oneCGNATRoute === "mac-always" ? "one-cgnat?v=true" : "one-cgnat?v=false";
}

/** Tells whether two CapMaps are equal, name by name and value by value. */
export function isSameCapMap(a: CapMap, b: CapMap): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && JSON.stringify(a[name]) === JSON.stringify(b[name]))
  );
}
