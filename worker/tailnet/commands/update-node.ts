// What a node reports of itself: Hostinfo, endpoints, disco key, home DERP (control-protocol.md 5.2). Each report
// replaces the one before; a report that says nothing new changes nothing and is not stored.
import { mayAssignTag } from "../../policy/authority.ts";
import { type Hostinfo, hostnameOf, preferredDerp, requestedTags } from "../../protocol/control/hostinfo.ts";
import type { MapRequest } from "../../protocol/control/map.ts";
import { type Decision, decided } from "../change.ts";
import { isTagged, type Node } from "../entities/node.ts";
import { labelOf } from "../entities/node-name.ts";
import type { Tailnet } from "../tailnet.ts";
import { expireKey } from "./log-out-node.ts";
import { freeName, withApprovedRoutes } from "./place-node.ts";

/** Decides a lite update. */
export function updateNode(tailnet: Tailnet, node: Node, request: MapRequest, now: number): Decision<Node> {
  const hostinfo = request.hostinfo ?? node.hostinfo;
  const wanted = requestedTags(hostinfo);
  const tagsWereAskedBefore = sameJson(wanted, requestedTags(node.hostinfo));
  const retagged = tagsWereAskedBefore ? node : (retag(tailnet, node, wanted) ?? expireKey(node, now));
  const described = applyHostinfo(tailnet, retagged, hostinfo, request.version);
  const updated: Node = {
    ...described,
    discoKey: request.discoKey ?? node.discoKey,
    endpoints: request.endpoints,
  };
  return sameJson(updated, node) ? decided(node) : decided(updated, [{ type: "node-put", node: updated }]);
}

/** The node with what its Hostinfo says; the same record when it says nothing new. */
export function applyHostinfo(tailnet: Tailnet, node: Node, hostinfo: Hostinfo, version: number): Node {
  const kept = hostinfo.NetInfo === undefined && node.hostinfo.NetInfo !== undefined;
  const next: Hostinfo = kept ? { ...hostinfo, NetInfo: node.hostinfo.NetInfo } : hostinfo;
  if (version === node.capabilityVersion && sameJson(next, node.hostinfo)) return node;
  const isRenamed = !node.isNameFixed && labelOf(hostnameOf(next)) !== labelOf(hostnameOf(node.hostinfo));
  return withApprovedRoutes(tailnet, {
    ...node,
    hostinfo: next,
    capabilityVersion: version,
    homeDerp: preferredDerp(next) || node.homeDerp,
    name: isRenamed ? freeName(tailnet, next, node) : node.name,
  });
}

/**
 * The node with the tags that it asks for (control-protocol.md 4.9): the same record when it has them, or asks for
 * none; with new tags when its present tags own each of them; undefined when only a new login can give them.
 */
export function retag(tailnet: Tailnet, node: Node, wanted: readonly string[]): Node | undefined {
  const tags = [...new Set(wanted)].sort();
  if (tags.length === 0 || sameJson(tags, node.tags)) return node;
  const mayHave = isTagged(node) && tags.every((tag) => mayAssignTag(tailnet.compiledPolicy, { tags: node.tags }, tag));
  return mayHave ? { ...node, tags } : undefined;
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
