// What a node's Hostinfo means for its record: name, home region, tags asked for (control-protocol.md 4.9, 5.12).
import { mayAssignTag } from "../../../policy/authority.ts";
import { type Hostinfo, hostnameOf, preferredDerp, requestedTags } from "../../../protocol/control/hostinfo.ts";
import { withSteadyLatencies } from "../../../protocol/control/relay-latencies.ts";
import { isTagged, type Node } from "../../entities/node.ts";
import { labelOf, uniqueLabel } from "../../entities/node-name.ts";
import { isServiceLabel, type Tailnet } from "../../tailnet.ts";

/**
 * The node with what its Hostinfo says; the same record when that is nothing new. A NetInfo that is left out stays. The
 * node's name follows its host name, unless an administrator chose it; while the host name stays, so does the name.
 */
export function describeNode(tailnet: Tailnet, node: Node, hostinfo: Hostinfo, version: number): Node {
  const { NetInfo } = node.hostinfo;
  const whole = hostinfo.NetInfo === undefined && NetInfo !== undefined ? { ...hostinfo, NetInfo } : hostinfo;
  // Where latencies lead nodes to routers, only those that have really changed may lead them elsewhere.
  const next = tailnet.settings.isRegionalRoutingOn ? withSteadyLatencies(node.hostinfo, whole) : whole;
  if (version === node.capabilityVersion && sameJson(next, node.hostinfo)) return node;
  const isRenamed = !node.isNameFixed && labelOf(hostnameOf(next)) !== labelOf(hostnameOf(node.hostinfo));
  return {
    ...node,
    hostinfo: next,
    capabilityVersion: version,
    homeDerp: preferredDerp(next) || node.homeDerp,
    name: isRenamed ? freeName(tailnet, next, node) : node.name,
  };
}

/** The label for a node's host name, numbered when another node has it; the node's own label stays. */
export function freeName(tailnet: Tailnet, hostinfo: Hostinfo, self: Node | null): string {
  return uniqueLabel(labelOf(hostnameOf(hostinfo)), (label) => {
    const holder = tailnet.nodeByName.get(label);
    return (holder !== undefined && holder !== self?.id) || isServiceLabel(tailnet, label);
  });
}

/**
 * The node with the tags that a new Hostinfo asks for (control-protocol.md 4.9): as it is when it asks for the same as
 * before, for none, or for those that it has; retagged when its present tags own each of them; undefined when only a
 * new login can give them. Tags that an administrator set stay while the node asks for what it always asked for.
 */
export function retag(tailnet: Tailnet, node: Node, hostinfo: Hostinfo): Node | undefined {
  const wanted = tagsOf(hostinfo);
  if (wanted.length === 0 || sameJson(wanted, tagsOf(node.hostinfo)) || sameJson(wanted, node.tags)) return node;
  const mayHave = isTagged(node) && wanted.every((tag) => mayAssignTag(tailnet.compiledPolicy, node, tag));
  return mayHave ? { ...node, tags: wanted } : undefined;
}

/** Tags that a Hostinfo asks for, each once, sorted. */
export function tagsOf(hostinfo: Hostinfo): readonly string[] {
  return [...new Set(requestedTags(hostinfo))].sort();
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
