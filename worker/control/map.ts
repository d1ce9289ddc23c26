// POST /machine/map (control-protocol.md 5.2): long poll, lite update, one-shot and read-only fetch. A long poll only
// reads: what it says of the node may be older than the lite update that runs beside it.
import { fromUtf8 } from "../protocol/bytes.ts";
import { parseJsonObject } from "../protocol/control/json.ts";
import { type MapRequest, parseMapRequest } from "../protocol/control/map.ts";
import { segmentedMapFrame } from "../runtime/map-frame.ts";
import { updateNode } from "../tailnet/commands/nodes/update-node.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { nodeOfSession } from "../tailnet/tailnet.ts";
import { type ControlContext, type ControlHandler, type ControlReply, empty, text } from "./control-endpoint.ts";

/** Serves netmaps and takes what nodes report of themselves. */
export const map: ControlHandler = (request, context) => {
  const wanted = parseMapRequest(parseJsonObject(fromUtf8(request.body)));
  const node = nodeOfSession(context.runtime.tailnet, request.machineKey, wanted.nodeKey);
  if (node === undefined) return text(404, "node not found; log in again");
  if (wanted.wantsStream) return stream(node, wanted, context);
  const current = wanted.isReadOnly ? node : report(node, wanted, context);
  if (wanted.omitsPeers && !wanted.isReadOnly) return empty(200);
  const body = segmentedMapFrame(
    context.runtime.encoder.segments(context.runtime.tailnet, current, context.now, wanted.omitsPeers),
  );
  return { kind: "response", status: 200, headers: [], body };
};

function stream(node: Node, wanted: MapRequest, { runtime, now }: ControlContext): ControlReply {
  const first = () =>
    segmentedMapFrame(
      runtime.encoder.segments(runtime.tailnet, runtime.tailnet.nodes.get(node.id) ?? node, now, wanted.omitsPeers),
    );
  return { kind: "map-stream", nodeId: node.id, nodeKey: wanted.nodeKey, omitsPeers: wanted.omitsPeers, first };
}

function report(node: Node, wanted: MapRequest, { runtime, now }: ControlContext): Node {
  const outcome = runtime.execute({ kind: "node", nodeKey: node.nodeKey }, (tailnet) =>
    updateNode(tailnet, node, wanted, now),
  );
  return outcome.ok ? outcome.result : node;
}
