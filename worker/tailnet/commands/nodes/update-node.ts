// What a node reports of itself: Hostinfo, endpoints, disco key, home DERP (control-protocol.md 5.2). Each report
// replaces the one before; a report that says nothing new changes nothing and is not stored.
import type { MapRequest } from "../../../protocol/control/map.ts";
import { type Decision, decided } from "../../change.ts";
import type { Node } from "../../entities/node.ts";
import type { Tailnet } from "../../tailnet.ts";
import { forgottenReport } from "../configuration/report-services.ts";
import { approveAdvertised } from "../policy/auto-approval.ts";
import { expireKey } from "../registration/log-out-node.ts";
import { describeNode, retag } from "./describe-node.ts";

/** Decides a lite update. A node that asks for tags which only a login can give must log in again. */
export function updateNode(tailnet: Tailnet, node: Node, request: MapRequest, now: number): Decision<Node> {
  const hostinfo = request.hostinfo ?? node.hostinfo;
  const retagged = retag(tailnet, node, hostinfo) ?? expireKey(node, now);
  const described = describeNode(tailnet, retagged, hostinfo, request.version);
  const discoKey = request.discoKey ?? node.discoKey;
  if (described === node && discoKey === node.discoKey && request.endpoints.join() === node.endpoints.join()) {
    return decided(node);
  }
  const updated = approveAdvertised(tailnet, node, { ...described, discoKey, endpoints: request.endpoints });
  return decided(updated, [{ type: "node-put", node: updated }, ...forgottenReport(tailnet, updated)]);
}
